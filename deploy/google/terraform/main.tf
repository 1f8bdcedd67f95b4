# The same as deploy.sh, for those who keep their project in Terraform. Parsed, and compared with the provider's documentation
# (hashicorp/terraform-provider-google, website/docs/r); never planned or applied by us: no project was at hand.

locals {
  # Ours, and not the service's address, which changes with the service: both sides are told it here.
  audience     = "mdss-relay/${var.project}/${var.name}"
  pubsub_agent = "serviceAccount:service-${data.google_project.relay.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
  source       = <<-EOT
    [[source]]
    name = "gcs"
    path = "/gcs"
    dialect = "gcs"
    redelivers = "dead-letters"
    auth = { jwt = { issuer = "google", audience = "${local.audience}", email = "${google_service_account.push.email}", subscriptions = ["projects/${var.project}/subscriptions/${var.name}", "projects/${var.project}/subscriptions/${var.name}-dead"] } }
  EOT
  environment = merge(
    {
      APIENDPOINT       = var.endpoint
      APIKEY_FILE       = "/run/mdss-relay/api-key"
      RELAY_CONFIG_TOML = join("\n\n", compact([var.relay_config, local.source]))
    },
    var.storage_client_id == null ? {} : { STORAGECLIENTID = var.storage_client_id, RELAY_STORAGE_TYPE = "google" },
  )
}

data "google_project" "relay" {
  project_id = var.project
}

data "google_storage_project_service_account" "storage" {
  project = var.project
}

# As whom Pub/Sub pushes, and as whom the service runs.
resource "google_service_account" "push" {
  project      = var.project
  account_id   = "${var.name}-push"
  display_name = "mdss-relay: push"
}

resource "google_service_account" "run" {
  project      = var.project
  account_id   = "${var.name}-run"
  display_name = "mdss-relay: run"
}

# Pub/Sub signs as it; projects of before April 2021 need this.
resource "google_service_account_iam_member" "token" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}

resource "google_secret_manager_secret_iam_member" "key" {
  project   = var.project
  secret_id = var.secret
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.run.email}"
}

# --- dead letters: without a subscription of its own the topic would lose them ---------------------------------------------

resource "google_pubsub_topic" "dead" {
  project = var.project
  name    = "${var.name}-dead"
}

resource "google_pubsub_subscription" "dead" {
  project                    = var.project
  name                       = "${var.name}-dead"
  topic                      = google_pubsub_topic.dead.id
  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s"
  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "dead" {
  project = var.project
  topic   = google_pubsub_topic.dead.name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

# --- events ---------------------------------------------------------------------------------------------------------------

resource "google_pubsub_topic" "events" {
  project = var.project
  name    = var.name
}

resource "google_pubsub_topic_iam_member" "storage" {
  project = var.project
  topic   = google_pubsub_topic.events.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${data.google_storage_project_service_account.storage.email_address}"
}

resource "google_cloud_run_v2_service" "relay" {
  project             = var.project
  name                = var.name
  location            = var.region
  ingress             = var.ingress
  deletion_protection = false

  template {
    service_account                  = google_service_account.run.email
    timeout                          = "60s"
    max_instance_request_concurrency = 80
    scaling {
      min_instance_count = var.min_instances
      max_instance_count = var.max_instances
    }
    dynamic "vpc_access" {
      for_each = var.subnetwork == null ? [] : [var.subnetwork]
      content {
        egress = "PRIVATE_RANGES_ONLY"
        network_interfaces {
          subnetwork = vpc_access.value
        }
      }
    }
    volumes {
      name = "key"
      secret {
        secret = var.secret
        items {
          version = var.secret_version
          path    = "api-key"
        }
      }
    }
    containers {
      image = var.image
      ports {
        container_port = 8080
      }
      resources {
        limits = { cpu = "1", memory = "512Mi" }
      }
      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }
      volume_mounts {
        name       = "key"
        mount_path = "/run/mdss-relay"
      }
      startup_probe {
        period_seconds    = 1
        timeout_seconds   = 1
        failure_threshold = 60
        http_get {
          path = "/readyz"
          port = 8080
        }
      }
    }
  }
  depends_on = [google_secret_manager_secret_iam_member.key]
}

# Cloud Run's own check would take the signature out of the token; the relay checks the token itself.
resource "google_cloud_run_v2_service_iam_member" "everybody" {
  project  = var.project
  name     = google_cloud_run_v2_service.relay.name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}

resource "google_pubsub_subscription" "events" {
  project                    = var.project
  name                       = var.name
  topic                      = google_pubsub_topic.events.id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"
  push_config {
    push_endpoint = "${google_cloud_run_v2_service.relay.uri}/gcs"
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.audience
    }
  }
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead.id
    max_delivery_attempts = var.max_attempts
  }
  expiration_policy {
    ttl = ""
  }
  depends_on = [google_pubsub_topic_iam_member.dead, google_pubsub_subscription.dead]
}

# Without this nothing is ever moved to the dead letters.
resource "google_pubsub_subscription_iam_member" "events" {
  project      = var.project
  subscription = google_pubsub_subscription.events.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# Who publishes comes last: what nobody subscribes to is gone.
resource "google_storage_notification" "events" {
  for_each           = var.buckets
  bucket             = each.value
  topic              = google_pubsub_topic.events.id
  payload_format     = "JSON_API_V1"
  event_types        = ["OBJECT_FINALIZE"]
  object_name_prefix = var.prefix
  depends_on         = [google_pubsub_topic_iam_member.storage, google_pubsub_subscription.events]
}

# --- alarms ---------------------------------------------------------------------------------------------------------------

locals {
  waiting = {
    "dead letters" = { metric = "num_undelivered_messages", subscription = google_pubsub_subscription.dead.name, above = 0 }
    "events wait"  = { metric = "oldest_unacked_message_age", subscription = google_pubsub_subscription.events.name, above = 600 }
  }
  lines = { "somebody must act" = "config", "unusable events" = "permanent" }
}

resource "google_monitoring_alert_policy" "waiting" {
  for_each              = local.waiting
  project               = var.project
  display_name          = "${var.name}: ${each.key}"
  combiner              = "OR"
  notification_channels = var.notification_channels
  conditions {
    display_name = each.key
    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${each.value.subscription}\" AND metric.type = \"pubsub.googleapis.com/subscription/${each.value.metric}\""
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = "0s"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }
}

resource "google_monitoring_alert_policy" "lines" {
  for_each              = local.lines
  project               = var.project
  display_name          = "${var.name}: ${each.key}"
  combiner              = "OR"
  notification_channels = var.notification_channels
  conditions {
    display_name = each.key
    condition_matched_log {
      filter = "resource.type=\"cloud_run_revision\" resource.labels.service_name=\"${var.name}\" jsonPayload.\"mdss.failure_kind\"=\"${each.value}\""
    }
  }
  alert_strategy {
    auto_close = "86400s"
    notification_rate_limit {
      period = "3600s"
    }
  }
}
