output "function_id" {
  value = oci_functions_function.relay.id
}

output "rule_id" {
  value = oci_events_rule.objects.id
}

output "log_group_id" {
  value = oci_logging_log_group.relay.id
}
