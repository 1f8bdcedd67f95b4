# A bucket's notifications with our entry, whose Id is $id, as $way wants it; everybody else's stay as they are.
.QueueConfigurations = [.QueueConfigurations[]? | select(.Id != $id)]
| if $way == "notification" then
    .QueueConfigurations += [
      {Id: $id, QueueArn: $queue, Events: ["s3:ObjectCreated:*"]}
      + if $prefix == "" then {} else {Filter: {Key: {FilterRules: [{Name: "prefix", Value: $prefix}]}}} end
    ]
  else . end
# Never taken out again: others may rely on it.
| if $way == "eventbridge" then .EventBridgeConfiguration //= {} else . end
| if .QueueConfigurations == [] then del(.QueueConfigurations) else . end
