# The relay's lines out of what `tccli cls SearchLog … --filter 'Results[].LogJson'` prints, as `mdss-relay ledger import` reads them. SCF takes a line
# of JSON apart, and the log service gives back texts, also of what was a number; or the line stands whole in SCF_Message.
.[] | fromjson
| if has("faas.document.name")
  then with_entries(if .key == "mdss.object.size_bytes" or .key == "http.request.resend_count" then .value |= tonumber else . end) | tojson
  else .SCF_Message // empty end
