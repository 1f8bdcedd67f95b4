# Which subscriptions but ours take new objects of the bucket under a prefix and suffix that overlap with ours: EventGrid refuses such a pair.
def texts: if type == "array" then .[] else . end;
# The values of a condition on the subject, wherever in it they stand; all names, if there is none.
def conditions(op): [.. | objects | select(.op? == op) | .values | texts] | if . == [] then [""] else . end;
.items[]
| select(.name != $ours) | . as $subscription
| .sources[] | select(.name == "HC.OBS.DWR") | . as $source
| select([$source.detail.bucket? // empty | texts] | index($bucket))
| select([$source.filter.type? // [] | .. | objects | .values? // empty | texts] as $types | $types == [] or any($types[]; startswith("OBS:DWR:ObjectCreated")))
| ($source.filter.subject? // {}) as $subject
| select(any($subject | conditions("StringStartsWith")[]; . as $p | ($p | startswith($prefix)) or ($prefix | startswith($p))))
| select(any($subject | conditions("StringEndsWith")[]; . as $s | ($s | endswith($suffix)) or ($suffix | endswith($s))))
| "    subscription \($subscription.name) -> \([$subscription.targets[]?.name] | join(", "))"
