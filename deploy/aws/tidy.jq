# A bucket's notifications as one object, filters' names in one case: S3 takes "prefix" and answers "Prefix".
add // {} | (.. | objects | select(has("FilterRules")).FilterRules[].Name) |= ascii_downcase
