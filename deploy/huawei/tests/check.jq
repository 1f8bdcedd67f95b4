# What the SDKs' models do not know of a call, a sentence for each; nothing, if they know all of it.
# $models is models.json, $service and $operation say what is called, the positional words are the names of the options, $input the file of --cli-jsonInput.
$models[0] as $m
| $ARGS.positional as $given
| ($m.operations["\($service) \($operation)"]) as $about
| def inner: ltrimstr("list[") | ltrimstr("dict(str, ") | rtrimstr("]") | rtrimstr(")");
  # Whether a value is of a type, by the type's name.
  def wrong($kind; $place):
    if $kind | startswith("list[") then
      if type != "array" then "\($place): expected a list" else to_entries[] | .key as $at | .value | wrong($kind[5:-1]; "\($place)[\($at)]") end
    elif $kind | startswith("dict(str, ") then
      if type != "object" then "\($place): expected an object" else to_entries[] | .key as $at | .value | wrong($kind[10:-1]; "\($place).\($at)") end
    elif $m.models[$kind] then
      if type != "object" then "\($place): expected a \($kind)" else
        . as $value
        | (keys[] | select($m.models[$kind].members[.] == null) | "\($place): \($kind) has no \(.)"),
          ($m.models[$kind].required[] | select(. as $name | $value | has($name) | not) | "\($place): \($kind) needs \(.)"),
          (to_entries[] | select($m.models[$kind].members[.key]) | .key as $name | .value
            | ($m.open["\($kind).\($name)"]) as $open
            | if $open then
                # An object that the models leave open, or a text of JSON.
                (if type == "string" then fromjson else . end)
                | (keys[] | select($open[.] == null) | "\($place).\($name): nobody knows \(.)"),
                  (to_entries[] | select($open[.key]) | .key as $inside | .value | wrong($open[$inside]; "\($place).\($name).\($inside)"))
              else wrong($m.models[$kind].members[$name]; "\($place).\($name)") end)
      end
    elif $kind == "str" then if type != "string" then "\($place): expected a text" else empty end
    elif $kind == "int" then if type != "number" or floor != . then "\($place): expected a whole number" else empty end
    elif $kind == "float" then if type != "number" then "\($place): expected a number" else empty end
    elif $kind == "bool" then if type != "boolean" then "\($place): expected true or false" else empty end
    else empty end;
  if $about == null then "there is no \($service) \($operation)" else
    ($given[] | select($about.parameters[.] == null and (startswith("cli-") | not)) | "\($operation) has no parameter \(.)"),
    ($about.parameters | to_entries[] | select(.value) | .key | select(. as $name | $given | index($name) | not) | "\($operation) needs \(.)"),
    (if $about.body then
      if $input == [] then "\($operation) needs a body" else
        ($input[0] | keys[] | select(. != "body") | "the file has \(.), which is given as a parameter"),
        ($input[0].body | wrong($about.body; "body"))
      end
    elif $input != [] then "\($operation) has no body"
    else empty end)
  end
