# The same as deploy.sh and the agency of its guide, for those who keep their project in Terraform. Parsed, and compared with the
# provider's schema (huaweicloud/terraform-provider-huaweicloud, docs/json); never planned or applied by us: no project was at hand.

locals {
  public = merge(
    {
      APIENDPOINT = var.endpoint
      # What the subscription asks EventGrid for, below.
      RELAY_KEYS_HUAWEI_OBS = "form"
    },
    var.storage_client_id == null ? {} : { STORAGECLIENTID = var.storage_client_id },
  )
  private = merge(
    { APIKEY = var.api_key },
    var.relay_config == null ? {} : { RELAY_CONFIG_TOML = var.relay_config },
  )
  subject = concat(
    var.prefix == null ? [] : [{ op = "StringStartsWith", values = [var.prefix] }],
    var.suffix == null ? [] : [{ op = "StringEndsWith", values = [var.suffix] }],
  )
}

# --- as what the platform writes what was given up -----------------------------------------------------------------------

resource "huaweicloud_identity_role" "dead_letters" {
  name        = "${var.name}-dead-letters"
  description = "mdss-relay: writes what was given up"
  type        = "AX"
  policy      = replace(replace(file("${path.module}/../agency-policy.json"), "DEAD_BUCKET", var.dead_letters), "mdss-relay", var.name)
}

resource "huaweicloud_identity_agency" "function" {
  name                  = var.name
  description           = "mdss-relay: the function"
  delegated_domain_name = "op_svc_cff"
  domain_roles          = [huaweicloud_identity_role.dead_letters.name]
}

# --- the function ---------------------------------------------------------------------------------------------------------

resource "huaweicloud_lts_group" "relay" {
  region      = var.region
  group_name  = var.name
  ttl_in_days = var.log_retention
}

resource "huaweicloud_lts_stream" "relay" {
  region      = var.region
  group_id    = huaweicloud_lts_group.relay.id
  stream_name = var.name
}

resource "huaweicloud_fgs_function" "relay" {
  region                = var.region
  name                  = var.name
  app                   = "default"
  functiongraph_version = "v2"
  agency                = huaweicloud_identity_agency.function.name
  memory_size           = var.memory
  timeout               = var.timeout
  max_instance_num      = tostring(var.max_instances)

  # The handler must have a dot, and the custom runtime does not look at it.
  runtime       = var.image == null ? "Custom" : "Custom Image"
  handler       = var.image == null ? "bootstrap.main" : "-"
  code_type     = var.image == null ? "zip" : "Custom-Image-Swr"
  code_filename = var.image == null ? "${var.name}.zip" : null
  func_code     = var.image == null ? filebase64(var.zip) : null
  dynamic "custom_image" {
    for_each = var.image == null ? [] : [var.image]
    content {
      url = custom_image.value
    }
  }

  vpc_id     = var.vpc_id
  network_id = var.subnet_id

  user_data           = jsonencode(var.plain_variables ? merge(local.public, local.private) : local.public)
  encrypted_user_data = jsonencode(var.plain_variables ? {} : local.private)

  enable_lts_log  = true
  log_group_id    = huaweicloud_lts_group.relay.id
  log_group_name  = huaweicloud_lts_group.relay.group_name
  log_stream_id   = huaweicloud_lts_stream.relay.id
  log_stream_name = huaweicloud_lts_stream.relay.stream_name
}

resource "huaweicloud_fgs_async_invoke_configuration" "relay" {
  region                         = var.region
  function_urn                   = huaweicloud_fgs_function.relay.urn
  max_async_retry_attempts       = var.retries
  max_async_event_age_in_seconds = var.event_age
  on_failure {
    destination = "OBS"
    param       = jsonencode({ bucket = var.dead_letters, prefix = "${var.name}/", expires = 0 })
  }
}

# --- events ---------------------------------------------------------------------------------------------------------------

data "huaweicloud_eg_event_channels" "official" {
  region        = var.region
  provider_type = "OFFICIAL"
}

# Last of all: what calls a function without a destination for failed calls loses events.
resource "huaweicloud_eg_event_subscription" "objects" {
  for_each   = var.buckets
  region     = var.region
  channel_id = data.huaweicloud_eg_event_channels.official.channels[0].id
  name       = "${var.name}.${each.value}"

  sources {
    id            = uuidv5("url", "mdss-relay/${var.name}/${each.value}/source")
    provider_type = "OFFICIAL"
    name          = "HC.OBS.DWR"
    detail_name   = "detail"
    # objectKeyEncode and RELAY_KEYS_HUAWEI_OBS = "form" belong together.
    detail = jsonencode({ bucket = each.value, objectKeyEncode = true })
    filter_rule = jsonencode(merge(
      {
        source = [{ op = "StringIn", values = ["HC.OBS.DWR"] }]
        type = [{
          op     = "StringIn"
          values = ["OBS:DWR:ObjectCreated:PUT", "OBS:DWR:ObjectCreated:POST", "OBS:DWR:ObjectCreated:COPY", "OBS:DWR:ObjectCreated:CompleteMultipartUpload"]
        }]
        data = { obs = { bucket = { name = [{ op = "StringIn", values = [each.value] }] } } }
      },
      length(local.subject) == 0 ? {} : { subject = { and = local.subject } },
    ))
  }

  targets {
    id            = uuidv5("url", "mdss-relay/${var.name}/${each.value}/target")
    provider_type = "OFFICIAL"
    name          = "HC.FunctionGraph"
    detail_name   = "detail"
    detail        = jsonencode({ urn = "${huaweicloud_fgs_function.relay.urn}:latest", invoke_type = "ASYNC", agency_name = var.eg_agency })
    transform     = jsonencode({ type = "ORIGINAL", value = "" })
  }

  # The service gives both back in words of its own, so Terraform sees no change of them: apply with -replace after another prefix or suffix.
  lifecycle {
    ignore_changes = [sources, targets]
  }
  depends_on = [huaweicloud_fgs_async_invoke_configuration.relay]
}

# --- alarms ---------------------------------------------------------------------------------------------------------------

resource "huaweicloud_ces_alarmrule" "failures" {
  region               = var.region
  alarm_name           = "${var.name}-failures"
  alarm_description    = "Calls of the function failed or were refused: MDSS is away, or somebody must act"
  alarm_enabled        = true
  alarm_type           = "MULTI_INSTANCE"
  alarm_action_enabled = var.alarm_topic != null

  metric {
    namespace = "SYS.FunctionGraph"
  }
  resources {
    dimensions {
      name  = "package-functionname"
      value = "default-${var.name}"
    }
  }
  dynamic "condition" {
    for_each = toset(["failcount", "rejectcount"])
    content {
      metric_name         = condition.value
      period              = 300
      filter              = "sum"
      comparison_operator = ">="
      value               = 1
      unit                = "Count"
      count               = 1
      suppress_duration   = 3600
      alarm_level         = 2
    }
  }
  dynamic "alarm_actions" {
    for_each = var.alarm_topic == null ? [] : [var.alarm_topic]
    content {
      type              = "notification"
      notification_list = [alarm_actions.value]
    }
  }
  dynamic "ok_actions" {
    for_each = var.alarm_topic == null ? [] : [var.alarm_topic]
    content {
      type              = "notification"
      notification_list = [ok_actions.value]
    }
  }
}

resource "huaweicloud_lts_keywords_alarm_rule" "lines" {
  region                 = var.region
  name                   = "${var.name}-errors"
  description            = "Somebody must act; mdss.reason of the line says why"
  alarm_level            = "MAJOR"
  send_notifications     = var.alarm_action_rule != null
  alarm_action_rule_name = var.alarm_action_rule
  notification_frequency = var.alarm_action_rule == null ? null : 60

  keywords_requests {
    keywords               = "ERROR"
    condition              = ">"
    number                 = 0
    log_group_id           = huaweicloud_lts_group.relay.id
    log_stream_id          = huaweicloud_lts_stream.relay.id
    search_time_range      = 5
    search_time_range_unit = "minute"
  }
  frequency {
    type            = "FIXED_RATE"
    fixed_rate      = 5
    fixed_rate_unit = "minute"
  }
}
