# The same as deploy.sh, for those who keep their tenancy in Terraform. Formatted, and compared with the provider's
# documentation (oracle/terraform-provider-oci, website/docs/r); never planned or applied by us: no tenancy was at hand.

locals {
  rule_compartment_id = coalesce(var.bucket_compartment_id, var.compartment_id)
  config = merge(
    { APIENDPOINT = var.endpoint, APIKEY = var.api_key },
    var.storage_client_id == null ? {} : { STORAGECLIENTID = var.storage_client_id },
    var.more_config,
  )
}

resource "oci_functions_application" "relay" {
  compartment_id = var.compartment_id
  display_name   = "mdss-relay"
  subnet_ids     = var.subnet_ids
  shape          = var.shape
}

resource "oci_functions_function" "relay" {
  application_id     = oci_functions_application.relay.id
  display_name       = "mdss-relay-oci-fn"
  image              = var.image
  memory_in_mbs      = var.memory_in_mbs
  timeout_in_seconds = var.timeout_in_seconds
  config             = local.config
}

# Created *and* updated: an overwritten object is an update, and a rule on "Object - Create" alone never fires for it.
resource "oci_events_rule" "objects" {
  compartment_id = local.rule_compartment_id
  display_name   = "mdss-relay-objects"
  description    = "New and overwritten objects go to mdss-relay"
  is_enabled     = true
  condition = jsonencode({
    eventType = [
      "com.oraclecloud.objectstorage.createobject",
      "com.oraclecloud.objectstorage.updateobject",
    ]
    data = { additionalDetails = { bucketName = var.bucket_names } }
  })
  actions {
    actions {
      action_type = "FAAS"
      is_enabled  = true
      function_id = oci_functions_function.relay.id
      description = "mdss-relay tells MDSS at once"
    }
  }
}

# A bucket emits no object events until that is switched on. That is a member of the bucket's own resource, so it belongs
# where your bucket is written down, not here, lest two places quarrel about one bucket:
#
#   resource "oci_objectstorage_bucket" "inbox" {
#     …
#     object_events_enabled = true
#   }
#
# For a bucket that is in no Terraform: oci os bucket update --bucket-name NAME --object-events-enabled true

resource "oci_logging_log_group" "relay" {
  compartment_id = var.compartment_id
  display_name   = "mdss-relay"
}

# What the function prints (service and category: "Functions Example", Logging/Task/functions_eg.htm).
resource "oci_logging_log" "invoke" {
  log_group_id = oci_logging_log_group.relay.id
  display_name = "mdss-relay-invoke"
  log_type     = "SERVICE"
  is_enabled   = true
  configuration {
    compartment_id = var.compartment_id
    source {
      source_type = "OCISERVICE"
      service     = "functions"
      resource    = oci_functions_application.relay.id
      category    = "invoke"
    }
  }
}

# What became of each delivery (service and category as in gotsysdba/oci-bcs-fn-vault, terraform/logging.tf).
resource "oci_logging_log" "deliveries" {
  log_group_id = oci_logging_log_group.relay.id
  display_name = "mdss-relay-objects-deliveries"
  log_type     = "SERVICE"
  is_enabled   = true
  configuration {
    compartment_id = var.compartment_id
    source {
      source_type = "OCISERVICE"
      service     = "cloudevents"
      resource    = oci_events_rule.objects.id
      category    = "ruleexecutionlog"
    }
  }
}

resource "oci_identity_policy" "events" {
  count          = var.with_policy ? 1 : 0
  compartment_id = var.compartment_id
  name           = "mdss-relay-events"
  description    = "Events may call the functions of mdss-relay"
  statements = [
    startswith(var.compartment_id, "ocid1.tenancy.")
    ? "Allow service cloudEvents to use functions-family in tenancy"
    : "Allow service cloudEvents to use functions-family in compartment id ${var.compartment_id}",
  ]
}
