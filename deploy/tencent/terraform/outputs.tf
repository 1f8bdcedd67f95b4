output "function" {
  description = "Name of the function"
  value       = tencentcloud_scf_function.relay.name
}

output "dead_letters" {
  description = "The queue that keeps what was repeated in vain"
  value       = tencentcloud_tcmq_queue.dead.queue_name
}

output "topic_id" {
  description = "The log topic, for searches"
  value       = tencentcloud_cls_topic.relay.id
}
