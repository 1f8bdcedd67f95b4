# The same as deploy.sh, for those who keep their account in Terraform. Parsed, and compared with the provider's documentation
# (tencentcloudstack/terraform-provider-tencentcloud, website/docs/r); never planned or applied by us: no account was at hand.

locals {
  environment = merge(
    { APIENDPOINT = var.endpoint, APIKEY = var.api_key, RELAY_DEADLINE = "${var.function_timeout - 10}s" },
    var.storage_client_id == null ? {} : { STORAGECLIENTID = var.storage_client_id },
    var.relay_config == null ? {} : { RELAY_CONFIG_TOML = var.relay_config },
  )
  triggers = { for pair in setproduct(var.buckets, var.prefixes) : "${pair[0]}/${pair[1]}" => { bucket = pair[0], prefix = pair[1] } }
  # JSON text: a line feed, a tab and so on, not their names.
  tokens = "@&?|#()='\",;:<>[]{}/ \n\t\r\\"
  texts  = ["SCF_Message", "SCF_RequestId", "SCF_Type", "level", "message", "mdss.failure_kind", "mdss.reason", "faas.document.name"]
  longs  = ["SCF_StatusCode", "SCF_RetryNum", "SCF_Duration"]
}

# --- dead letters: without a queue, what was repeated in vain is gone -------------------------------------------------------

resource "tencentcloud_tcmq_queue" "dead" {
  queue_name            = "${var.name}-dead"
  msg_retention_seconds = var.dead_letter_retention
}

# --- log ------------------------------------------------------------------------------------------------------------------

resource "tencentcloud_cls_logset" "relay" {
  logset_name = var.name
}

resource "tencentcloud_cls_topic" "relay" {
  logset_id  = tencentcloud_cls_logset.relay.id
  topic_name = var.name
  period     = var.log_retention
}

# Without an index nothing is found in the log, by alarms neither. A line of JSON becomes one field for each of its members; as we do not
# know what is left of it in SCF_Message, both are indexed.
resource "tencentcloud_cls_index" "relay" {
  topic_id = tencentcloud_cls_topic.relay.id
  rule {
    full_text {
      case_sensitive = true
      tokenizer      = local.tokens
      contain_z_h    = false
    }
    key_value {
      case_sensitive = true
      dynamic "key_values" {
        for_each = local.texts
        content {
          key = key_values.value
          value {
            type        = "text"
            tokenizer   = local.tokens
            sql_flag    = true
            contain_z_h = false
          }
        }
      }
      dynamic "key_values" {
        for_each = local.longs
        content {
          key = key_values.value
          value {
            type        = "long"
            sql_flag    = true
            contain_z_h = false
          }
        }
      }
    }
  }
}

# --- function -------------------------------------------------------------------------------------------------------------

# It has no role: the relay calls no API of Tencent Cloud, so it has no rights and no credentials. SCF itself writes the log, as SCF_QcsRole.
resource "tencentcloud_scf_function" "relay" {
  name              = var.name
  func_type         = "Event"
  runtime           = var.image == null ? "CustomRuntime" : "CustomImage"
  handler           = "index.main_handler" # means nothing here, but its form is looked at
  zip_file          = var.zip_file         # the provider compares this path, and not what is in the file: a new binary needs a new name
  mem_size          = 128
  timeout           = var.function_timeout
  environment       = local.environment
  cls_logset_id     = tencentcloud_cls_logset.relay.id
  cls_topic_id      = tencentcloud_cls_topic.relay.id
  vpc_id            = var.vpc_id
  subnet_id         = var.subnet_id
  enable_public_net = var.vpc_id == null
  dynamic "image_config" {
    for_each = var.image == null ? [] : [var.image]
    content {
      image_type  = var.registry_id == null ? "personal" : "enterprise"
      image_uri   = image_config.value
      registry_id = var.registry_id
      image_port  = 9000
    }
  }
}

# The provider knows neither the queue of dead letters nor the time to start, so tccli sets them. A member that is not given stays as it is.
resource "terraform_data" "dead_letters" {
  triggers_replace = [tencentcloud_scf_function.relay.function_id, tencentcloud_tcmq_queue.dead.queue_name, var.dead_letter_type]
  provisioner "local-exec" {
    command = "tccli scf UpdateFunctionConfiguration --region \"$REGION\" --FunctionName \"$FUNCTION\" --InitTimeout ${var.image == null ? 30 : 90} --DeadLetterConfig \"$DEAD_LETTERS\""
    environment = {
      REGION       = var.region
      FUNCTION     = tencentcloud_scf_function.relay.name
      DEAD_LETTERS = jsonencode({ Type = var.dead_letter_type, Name = tencentcloud_tcmq_queue.dead.queue_name })
    }
  }
}

resource "tencentcloud_scf_function_event_invoke_config" "relay" {
  function_name = tencentcloud_scf_function.relay.name
  namespace     = "default"
  async_trigger_config {
    msg_ttl = var.max_age # seconds
    retry_config {
      retry_num = var.retries
    }
  }
}

resource "tencentcloud_scf_reserved_concurrency_config" "relay" {
  function_name            = tencentcloud_scf_function.relay.name
  namespace                = "default"
  reserved_concurrency_mem = var.concurrency * 128
}

# Who calls comes last. One trigger for an event, a prefix and a suffix; jsonencode leaves no space, which SCF would refuse.
resource "tencentcloud_scf_trigger" "cos" {
  for_each      = local.triggers
  function_name = tencentcloud_scf_function.relay.name
  namespace     = "default"
  type          = "cos"
  enable        = "OPEN"
  trigger_name  = "${each.value.bucket}.cos.${var.region}.myqcloud.com"
  trigger_desc  = jsonencode({ event = "cos:ObjectCreated:*", filter = { Prefix = each.value.prefix, Suffix = var.suffix } })
  depends_on    = [terraform_data.dead_letters, tencentcloud_scf_function_event_invoke_config.relay, tencentcloud_scf_reserved_concurrency_config.relay]
}

# --- alarms ---------------------------------------------------------------------------------------------------------------

locals {
  line = { for kind in ["config", "permanent", "transient"] : kind => "\"mdss.failure_kind\" = '${kind}' or SCF_Message like '%\"mdss.failure_kind\":\"${kind}\"%'" }
  alarms = {
    "given-up"     = { in_a_row = 1, level = 2, where = "SCF_Type = 'Platform' and SCF_RetryNum >= ${var.retries} and SCF_StatusCode not in (200, 202)" }
    "must-act"     = { in_a_row = 1, level = 2, where = local.line["config"] }
    "unusable"     = { in_a_row = 1, level = 0, where = local.line["permanent"] }
    "not-accepted" = { in_a_row = 3, level = 0, where = local.line["transient"] }
    "does-not-run" = { in_a_row = 1, level = 2, where = "SCF_StatusCode in (405, 433, 434, 439)" }
  }
}

resource "tencentcloud_cls_alarm" "relay" {
  for_each         = length(var.alarm_notice_ids) == 0 ? {} : local.alarms
  name             = "${var.name}: ${each.key}"
  alarm_notice_ids = var.alarm_notice_ids
  trigger_count    = each.value.in_a_row
  alarm_level      = each.value.level
  alarm_period     = 60
  condition        = "$1.found > 0"
  status           = true
  alarm_targets {
    logset_id         = tencentcloud_cls_logset.relay.id
    topic_id          = tencentcloud_cls_topic.relay.id
    number            = 1
    start_time_offset = -10
    end_time_offset   = 0
    syntax_rule       = 1
    query             = "* | select count(*) as found where ${each.value.where}"
  }
  monitor_time {
    type = "Period"
    time = 5
  }
  depends_on = [tencentcloud_cls_index.relay]
}
