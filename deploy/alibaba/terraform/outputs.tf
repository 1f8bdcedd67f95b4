output "dead_letters" {
  description = "The queue that keeps what was given up, for seven days; ../redrive.py brings it back"
  value       = alicloud_message_service_queue.dead.queue_name
}

output "log" {
  description = "Project and store of the function's lines"
  value       = "${alicloud_log_project.log.project_name}/${alicloud_log_store.log.logstore_name}"
}

output "afterwards" {
  description = "The provider has no argument for this: afterwards the role's credentials are not handed to the program, which needs none"
  value       = "aliyun fc PUT /2023-03-30/functions/${var.name} --region ${var.region} --body '{\"disableInjectCredentials\":\"All\"}'"
}
