# The same as relay.bicep and events.bicep, for those who keep their subscription in Terraform. Formatted, and compared with the
# provider's documentation and with Bicep (make azure-check); never planned or applied by us: no subscription was at hand.
#
# Three steps, as deploy.sh does them: apply with subscribe = false, the code, apply with subscribe = true.

data "azurerm_client_config" "current" {}

data "azurerm_resource_group" "relay" {
  name = var.resource_group_name
}

locals {
  location = data.azurerm_resource_group.relay.location
  hash     = substr(sha256("${data.azurerm_resource_group.relay.id}/${var.name}"), 0, 13)
  account  = split("/", var.account_id)
  topic = var.system_topic == null ? {
    name = "${var.name}-${local.account[8]}", resource_group_name = local.account[4]
  } : var.system_topic
  subjects = [for c in var.containers : format("/blobServices/default/containers/%s/blobs/%s", split("/", c)[0], join("/", slice(split("/", c), 1, length(split("/", c)))))]
  # Of the topic that was made or found.
  topic_principal_id = one(concat(azurerm_eventgrid_system_topic.account[*].identity[0].principal_id, data.azurerm_eventgrid_system_topic.account[*].identity[0].principal_id))
}

# --- who the function is -----------------------------------------------------------------------------------------------

resource "azurerm_user_assigned_identity" "relay" {
  name                = "${var.name}-identity"
  resource_group_name = var.resource_group_name
  location            = local.location
}

# --- queue, dead letters, the host's own storage -------------------------------------------------------------------------

resource "azurerm_storage_account" "relay" {
  name                            = "relay${local.hash}"
  resource_group_name             = var.resource_group_name
  location                        = local.location
  account_kind                    = "StorageV2"
  account_tier                    = "Standard"
  account_replication_type        = var.storage_replication
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
}

resource "azurerm_storage_container" "code" {
  name               = "code"
  storage_account_id = azurerm_storage_account.relay.id
}

resource "azurerm_storage_container" "dead_letters" {
  name               = "dead-letters"
  storage_account_id = azurerm_storage_account.relay.id
}

resource "azurerm_storage_queue" "objects" {
  name               = "relay-objects"
  storage_account_id = azurerm_storage_account.relay.id
}

resource "azurerm_storage_queue" "poison" {
  name               = "relay-objects-poison"
  storage_account_id = azurerm_storage_account.relay.id
}

# --- the API key -------------------------------------------------------------------------------------------------------

resource "azurerm_key_vault" "relay" {
  name                       = "relay-${local.hash}"
  resource_group_name        = var.resource_group_name
  location                   = local.location
  tenant_id                  = data.azurerm_client_config.current.tenant_id
  sku_name                   = "standard"
  rbac_authorization_enabled = true
  soft_delete_retention_days = 7
}

# Terraform writes the secret as whoever runs it; Bicep does it through Azure's own hand.
resource "azurerm_role_assignment" "writes_secret" {
  scope                = azurerm_key_vault.relay.id
  role_definition_name = "Key Vault Secrets Officer"
  principal_id         = data.azurerm_client_config.current.object_id
}

resource "azurerm_key_vault_secret" "api_key" {
  name             = "api-key"
  key_vault_id     = azurerm_key_vault.relay.id
  value_wo         = var.api_key
  value_wo_version = var.api_key_version
  content_type     = "text/plain"
  depends_on       = [azurerm_role_assignment.writes_secret]
}

# --- what the function may do, and nothing else: it has no right on the watched account ----------------------------------

resource "azurerm_role_assignment" "owns_blobs" {
  scope                = azurerm_storage_account.relay.id
  role_definition_name = "Storage Blob Data Owner"
  principal_id         = azurerm_user_assigned_identity.relay.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "uses_queues" {
  scope                = azurerm_storage_account.relay.id
  role_definition_name = "Storage Queue Data Contributor"
  principal_id         = azurerm_user_assigned_identity.relay.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "uses_tables" {
  scope                = azurerm_storage_account.relay.id
  role_definition_name = "Storage Table Data Contributor"
  principal_id         = azurerm_user_assigned_identity.relay.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "reads_secrets" {
  scope                = azurerm_key_vault.relay.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.relay.principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "writes_log" {
  scope                = azurerm_application_insights.relay.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.relay.principal_id
  principal_type       = "ServicePrincipal"
}

# --- log -----------------------------------------------------------------------------------------------------------------

resource "azurerm_log_analytics_workspace" "relay" {
  name                = "${var.name}-log"
  resource_group_name = var.resource_group_name
  location            = local.location
  sku                 = "PerGB2018"
  retention_in_days   = var.log_retention
}

resource "azurerm_application_insights" "relay" {
  name                         = "${var.name}-insights"
  resource_group_name          = var.resource_group_name
  location                     = local.location
  application_type             = "web"
  workspace_id                 = azurerm_log_analytics_workspace.relay.id
  local_authentication_enabled = false
}

# --- the function ------------------------------------------------------------------------------------------------------

resource "azurerm_service_plan" "relay" {
  name                = "${var.name}-plan"
  resource_group_name = var.resource_group_name
  location            = local.location
  os_type             = "Linux"
  sku_name            = "FC1"
}

# By azapi, because azurerm_function_app_flex_consumption cannot say which identity reads the vault; with the app's own one the
# first start would find the vault closed.
resource "azapi_resource" "app" {
  type      = "Microsoft.Web/sites@2024-04-01"
  name      = "${var.name}-${local.hash}"
  parent_id = data.azurerm_resource_group.relay.id
  location  = local.location
  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.relay.id]
  }
  body = {
    kind = "functionapp,linux"
    properties = {
      serverFarmId              = azurerm_service_plan.relay.id
      httpsOnly                 = true
      keyVaultReferenceIdentity = azurerm_user_assigned_identity.relay.id
      virtualNetworkSubnetId    = var.subnet_id
      functionAppConfig = {
        deployment = {
          storage = {
            type  = "blobContainer"
            value = "${azurerm_storage_account.relay.primary_blob_endpoint}${azurerm_storage_container.code.name}"
            authentication = {
              type                           = "UserAssignedIdentity"
              userAssignedIdentityResourceId = azurerm_user_assigned_identity.relay.id
            }
          }
        }
        runtime = {
          name    = "custom"
          version = "1.0"
        }
        scaleAndConcurrency = {
          instanceMemoryMB     = 512
          maximumInstanceCount = 40
        }
      }
      siteConfig = {
        appSettings = [
          { name = "AzureWebJobsStorage__accountName", value = azurerm_storage_account.relay.name },
          { name = "AzureWebJobsStorage__credential", value = "managedidentity" },
          { name = "AzureWebJobsStorage__clientId", value = azurerm_user_assigned_identity.relay.client_id },
          { name = "RelayQueue__queueServiceUri", value = azurerm_storage_account.relay.primary_queue_endpoint },
          { name = "RelayQueue__credential", value = "managedidentity" },
          { name = "RelayQueue__clientId", value = azurerm_user_assigned_identity.relay.client_id },
          { name = "AzureFunctionsJobHost__extensions__queues__maxDequeueCount", value = tostring(var.max_tries) },
          { name = "AzureWebJobs.ScanServiceBus.Disabled", value = "true" },
          { name = "APPLICATIONINSIGHTS_CONNECTION_STRING", value = azurerm_application_insights.relay.connection_string },
          { name = "APPLICATIONINSIGHTS_AUTHENTICATION_STRING", value = "ClientId=${azurerm_user_assigned_identity.relay.client_id};Authorization=AAD" },
          { name = "APIENDPOINT", value = var.endpoint },
          # With the version, so that another key is another setting, which is what makes the app read the vault again.
          { name = "APIKEY", value = "@Microsoft.KeyVault(SecretUri=${azurerm_key_vault_secret.api_key.id})" },
          { name = "RELAY_ON_PERMANENT", value = "fail" },
          # Never both; an empty one counts as none.
          { name = "STORAGECLIENTID", value = var.storage_client_id == null ? "" : var.storage_client_id },
          { name = "RELAY_CONFIG_TOML", value = var.relay_config_toml == null ? "" : var.relay_config_toml },
        ]
      }
    }
  }
  depends_on = [
    azurerm_role_assignment.owns_blobs,
    azurerm_role_assignment.uses_queues,
    azurerm_role_assignment.uses_tables,
    azurerm_role_assignment.reads_secrets,
    azurerm_role_assignment.writes_log,
    azurerm_storage_queue.objects,
    azurerm_storage_queue.poison,
  ]
}

# --- alarms --------------------------------------------------------------------------------------------------------------

locals {
  log_alarms = {
    operator-must-act = { periods = 1, query = "traces | where message startswith \"{\" | where tostring(parse_json(message)[\"mdss.failure_kind\"]) == \"config\"" }
    unusable-events   = { periods = 1, query = "traces | where message startswith \"{\" | where tostring(parse_json(message)[\"mdss.failure_kind\"]) == \"permanent\"" }
    not-accepted      = { periods = 3, query = "traces | where message startswith \"{\" | where tostring(parse_json(message)[\"mdss.failure_kind\"]) == \"transient\"" }
    poison            = { periods = 1, query = "traces | where message contains \"Message has reached MaxDequeueCount\"" }
    function-broken   = { periods = 1, query = "union traces, exceptions | where coalesce(message, outerMessage) has_any (\"Exceeded http worker restart\", \"Failed to start a new worker\", \"Function host is not running\")" }
  }
  topic_alarms = var.subscribe ? { dead-lettered = "DeadLetteredCount", dropped = "DroppedEventCount" } : {}
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "log" {
  for_each                = local.log_alarms
  name                    = "${var.name}-${each.key}"
  resource_group_name     = var.resource_group_name
  location                = local.location
  severity                = 1
  scopes                  = [azurerm_application_insights.relay.id]
  evaluation_frequency    = "PT5M"
  window_duration         = "PT5M"
  auto_mitigation_enabled = true
  criteria {
    query                   = each.value.query
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0
    failing_periods {
      number_of_evaluation_periods             = each.value.periods
      minimum_failing_periods_to_trigger_alert = each.value.periods
    }
  }
  dynamic "action" {
    for_each = var.action_group_id == null ? [] : [var.action_group_id]
    content {
      action_groups = [action.value]
    }
  }
}

resource "azurerm_monitor_metric_alert" "topic" {
  for_each            = local.topic_alarms
  name                = "${var.name}-${each.key}"
  resource_group_name = local.topic.resource_group_name
  scopes              = concat(azurerm_eventgrid_system_topic.account[*].id, data.azurerm_eventgrid_system_topic.account[*].id)
  severity            = 1
  frequency           = "PT5M"
  window_size         = "PT5M"
  criteria {
    metric_namespace = "Microsoft.EventGrid/systemTopics"
    metric_name      = each.value
    aggregation      = "Total"
    operator         = "GreaterThan"
    threshold        = 0
    dimension {
      name     = "EventSubscriptionName"
      operator = "Include"
      values   = [upper(var.name), var.name]
    }
  }
  dynamic "action" {
    for_each = var.action_group_id == null ? [] : [var.action_group_id]
    content {
      action_group_id = action.value
    }
  }
}

# --- the watched account tells the relay ---------------------------------------------------------------------------------

data "azurerm_storage_account" "watched" {
  name                = local.account[8]
  resource_group_name = local.account[4]
}

data "azurerm_eventgrid_system_topic" "account" {
  count               = var.system_topic == null ? 0 : 1
  name                = local.topic.name
  resource_group_name = local.topic.resource_group_name
}

resource "azurerm_eventgrid_system_topic" "account" {
  count               = var.system_topic == null ? 1 : 0
  name                = local.topic.name
  resource_group_name = local.topic.resource_group_name
  location            = data.azurerm_storage_account.watched.location
  source_resource_id  = var.account_id
  topic_type          = "Microsoft.Storage.StorageAccounts"
  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_role_assignment" "sends" {
  scope                = azurerm_storage_queue.objects.id
  role_definition_name = "Storage Queue Data Message Sender"
  principal_id         = local.topic_principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_role_assignment" "keeps_dead_letters" {
  scope                = azurerm_storage_container.dead_letters.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = local.topic_principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_eventgrid_system_topic_event_subscription" "relay" {
  count                 = var.subscribe ? 1 : 0
  name                  = var.name
  system_topic          = local.topic.name
  resource_group_name   = local.topic.resource_group_name
  event_delivery_schema = "CloudEventSchemaV1_0"
  included_event_types  = ["Microsoft.Storage.BlobCreated", "Microsoft.Storage.BlobRenamed"]

  dynamic "storage_queue_endpoint" {
    for_each = var.way == "queue" ? [azurerm_storage_queue.objects.name] : []
    content {
      storage_account_id                    = azurerm_storage_account.relay.id
      queue_name                            = storage_queue_endpoint.value
      queue_message_time_to_live_in_seconds = -1
    }
  }
  dynamic "delivery_identity" {
    for_each = var.way == "queue" ? ["SystemAssigned"] : []
    content {
      type = delivery_identity.value
    }
  }
  dynamic "azure_function_endpoint" {
    for_each = var.way == "direct" ? ["${azapi_resource.app.id}/functions/ScanEvent"] : []
    content {
      function_id                       = azure_function_endpoint.value
      max_events_per_batch              = 1
      preferred_batch_size_in_kilobytes = 64
    }
  }

  dead_letter_identity {
    type = "SystemAssigned"
  }
  storage_blob_dead_letter_destination {
    storage_account_id          = azurerm_storage_account.relay.id
    storage_blob_container_name = azurerm_storage_container.dead_letters.name
  }
  retry_policy {
    max_delivery_attempts = 30
    event_time_to_live    = 1440
  }

  subject_filter {
    subject_begins_with = "/blobServices/default/containers/"
  }
  advanced_filter {
    string_begins_with {
      key    = "subject"
      values = local.subjects
    }
    string_not_in {
      key    = "data.api"
      values = ["CreateFile", "SftpCreate", "SftpWrite"]
    }
  }
  depends_on = [azurerm_eventgrid_system_topic.account, azurerm_role_assignment.sends, azurerm_role_assignment.keeps_dead_letters]
}
