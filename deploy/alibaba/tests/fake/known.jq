# What is wrong with a body by the SDK's model of it: members that it does not have, and values of another type.
def known($models; $kind; $at):
  if ($models | has($kind)) then
    if type != "object" then "\($at): expected an object"
    else to_entries[] | .key as $name | .value
      | if ($models[$kind] | has($name)) then known($models; $models[$kind][$name]; "\($at).\($name)") else "\($at).\($name): \($kind) has no such member" end
    end
  elif ($kind | startswith("List[")) then
    if type == "array" then .[] | known($models; $kind[5:-1]; "\($at)[]") else "\($at): expected a list" end
  elif ($kind | startswith("Dict[str, ")) then
    if type == "object" then to_entries[] | .key as $name | .value | known($models; $kind[10:-1]; "\($at).\($name)") else "\($at): expected an object" end
  elif ($kind == "str" and type == "string") or ($kind == "bool" and type == "boolean") or ($kind == "float" and type == "number")
    or ($kind == "int" and type == "number" and floor == .) then empty
  else "\($at): expected \($kind)" end;
known($models[0].bodies; $model; $model)
