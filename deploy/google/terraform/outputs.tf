output "url" {
  description = "Address of the service"
  value       = google_cloud_run_v2_service.relay.uri
}

output "dead_letters" {
  description = "The subscription that keeps what was pushed too often"
  value       = google_pubsub_subscription.dead.id
}
