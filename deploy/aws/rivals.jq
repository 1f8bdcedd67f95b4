# The entries of a bucket's notifications, but for ours, whose Id is $id, that take new objects whose keys begin with $prefix too.
.QueueConfigurations[]?, .TopicConfigurations[]?, .LambdaFunctionConfigurations[]?
| select(.Id != $id and any(.Events[]; startswith("s3:ObjectCreated:")))
| ([.Filter.Key.FilterRules[]? | select(.Name == "prefix").Value][0] // "") as $theirs
| select(($theirs | startswith($prefix)) or (. as $_ | $prefix | startswith($theirs)))
| "    \(.Id // "an entry") -> \(.QueueArn // .TopicArn // .LambdaFunctionArn)" + if $theirs == "" then "" else ", keys that begin with \($theirs)" end
