# The same as deploy.sh, for those who keep their project in Terraform. Parsed, and compared with the provider's documentation
# (aliyun/terraform-provider-alicloud, website/docs/r); never planned or applied by us: no account was at hand.

locals {
  account = data.alicloud_account.relay.id
  called  = "acs:fc:${var.region}:${local.account}:functions/${var.name}"
  # Named one by one: ObjectCreated:* announces the parts of an upload too, and what OSS will add.
  events = [
    "oss:ObjectCreated:PutObject",
    "oss:ObjectCreated:PostObject",
    "oss:ObjectCreated:CopyObject",
    "oss:ObjectCreated:CompleteMultipartUpload",
    "oss:ObjectCreated:AppendObject",
    "oss:ObjectReplication:ObjectCreated",
    "oss:ObjectReplication:ObjectModified",
  ]
  variables = merge(
    {
      APIENDPOINT = var.endpoint
      APIKEY      = var.api_key
      # The answer is given before the platform ends the call.
      RELAY_DEADLINE = "${var.timeout - 5}s"
    },
    var.storage_client_id == null ? {} : { STORAGECLIENTID = var.storage_client_id },
    var.relay_config == null ? {} : { RELAY_CONFIG_TOML = var.relay_config },
  )
  run = concat(
    [
      { Effect = "Allow", Action = ["log:PostLogStoreLogs"], Resource = "acs:log:${var.region}:${local.account}:project/${alicloud_log_project.log.project_name}/logstore/${alicloud_log_store.log.logstore_name}" },
      { Effect = "Allow", Action = ["mns:SendMessage"], Resource = "acs:mns:${var.region}:${local.account}:/queues/${alicloud_message_service_queue.dead.queue_name}/messages" },
    ],
    var.vpc == null ? [] : [
      {
        Effect = "Allow"
        Action = [
          "ecs:CreateNetworkInterface", "ecs:DeleteNetworkInterface", "ecs:DescribeNetworkInterfaces", "ecs:CreateNetworkInterfacePermission",
          "ecs:DescribeNetworkInterfacePermissions", "ecs:DeleteNetworkInterfacePermission", "vpc:DescribeVSwitchAttributes",
        ]
        Resource = "*"
      },
    ],
  )
  # Namespace, metric, statistic and the one dimension beside account and region.
  alarms = {
    "dead-letters"      = { project = "acs_mns_new", metric = "ActiveMessages", statistics = "Maximum", of = { queue = "${var.name}-dead" } }
    "failed-calls"      = { project = "acs_fc", metric = "FunctionFunctionErrors", statistics = "Value", of = { functionName = var.name } }
    "dropped-events"    = { project = "acs_fc", metric = "FunctionAsyncEventExpiredDropped", statistics = "Value", of = { functionName = var.name } }
    "lost-dead-letters" = { project = "acs_fc", metric = "FunctionDestinationErrors", statistics = "Value", of = { functionName = var.name } }
  }
}

data "alicloud_account" "relay" {
}

# --- log ------------------------------------------------------------------------------------------------------------------

resource "alicloud_log_project" "log" {
  project_name = "${var.name}-${local.account}-${var.region}"
  description  = "mdss-relay"
}

resource "alicloud_log_store" "log" {
  project_name          = alicloud_log_project.log.project_name
  logstore_name         = "function"
  retention_period      = var.log_retention
  shard_count           = 1
  auto_split            = true
  max_split_shard_count = 8
}

# Without an index nobody can search.
resource "alicloud_log_store_index" "log" {
  project  = alicloud_log_project.log.project_name
  logstore = alicloud_log_store.log.logstore_name
  full_text {
    case_sensitive = true
    token          = ", \":{}\n\t\r"
  }
  dynamic "field_search" {
    for_each = toset(["message", "functionName", "requestID"])
    content {
      name           = field_search.value
      type           = "text"
      case_sensitive = true
      token          = ", \":{}\n\t\r"
    }
  }
}

# --- dead letters -----------------------------------------------------------------------------------------------------------

resource "alicloud_message_service_queue" "dead" {
  queue_name = "${var.name}-dead"
  # The longest that MNS keeps a message: seven days.
  message_retention_period = 604800
  visibility_timeout       = 300
}

# --- roles ------------------------------------------------------------------------------------------------------------------

# OSS takes it to call this one function.
resource "alicloud_ram_role" "trigger" {
  role_name                   = "${var.name}-trigger"
  assume_role_policy_document = jsonencode({ Version = "1", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = ["oss.aliyuncs.com"] } }] })
}

resource "alicloud_ram_policy" "trigger" {
  policy_name     = "${var.name}-trigger"
  policy_document = jsonencode({ Version = "1", Statement = [{ Effect = "Allow", Action = "fc:InvokeFunction", Resource = [local.called, "${local.called}/*"] }] })
}

resource "alicloud_ram_role_policy_attachment" "trigger" {
  role_name   = alicloud_ram_role.trigger.role_name
  policy_name = alicloud_ram_policy.trigger.policy_name
  policy_type = "Custom"
}

# Function Compute takes it to write lines and dead letters.
resource "alicloud_ram_role" "run" {
  role_name                   = "${var.name}-run"
  assume_role_policy_document = jsonencode({ Version = "1", Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = ["fc.aliyuncs.com"] } }] })
}

resource "alicloud_ram_policy" "run" {
  policy_name     = "${var.name}-run"
  policy_document = jsonencode({ Version = "1", Statement = local.run })
}

resource "alicloud_ram_role_policy_attachment" "run" {
  role_name   = alicloud_ram_role.run.role_name
  policy_name = alicloud_ram_policy.run.policy_name
  policy_type = "Custom"
}

# --- the function -------------------------------------------------------------------------------------------------------------

# The provider has no argument for disableInjectCredentials; the output `afterwards` is the call that sets it. Until then the role's
# credentials stand in the headers of each call, where the program neither reads nor logs them.
resource "alicloud_fcv3_function" "relay" {
  function_name        = var.name
  description          = "mdss-relay: OSS events to MetaDefender Storage Security"
  runtime              = "custom.debian12"
  handler              = "bootstrap"
  cpu                  = 0.1
  memory_size          = 128
  disk_size            = 512
  timeout              = var.timeout
  instance_concurrency = 1
  internet_access      = true
  role                 = "acs:ram::${local.account}:role/${alicloud_ram_role.run.role_name}"
  environment_variables = merge(local.variables, {
    # "If modified in isolation without other property changes, Terraform will not trigger any action" (code): so another binary changes this.
    CODE_SHA256 = filesha256(var.zip)
  })
  custom_runtime_config {
    command = ["/code/bootstrap"]
    port    = 9000
  }
  code {
    zip_file = filebase64(var.zip)
  }
  log_config {
    project        = alicloud_log_project.log.project_name
    logstore       = alicloud_log_store.log.logstore_name
    log_begin_rule = "None"
  }
  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : [var.vpc]
    content {
      vpc_id            = vpc_config.value.vpc_id
      vswitch_ids       = vpc_config.value.vswitch_ids
      security_group_id = vpc_config.value.security_group_id
    }
  }
  depends_on = [alicloud_ram_role_policy_attachment.run]
}

# Without this an event is dropped after three repetitions, or after a day.
resource "alicloud_fcv3_async_invoke_config" "relay" {
  function_name                  = alicloud_fcv3_function.relay.function_name
  qualifier                      = "LATEST"
  max_async_retry_attempts       = var.retries
  max_async_event_age_in_seconds = var.event_age
  destination_config {
    on_failure {
      destination = "acs:mns:${var.region}:${local.account}:/queues/${alicloud_message_service_queue.dead.queue_name}/messages"
    }
  }
}

# Who calls comes last: retries and dead letters are set before the first event.
resource "alicloud_fcv3_trigger" "oss" {
  for_each        = var.buckets
  function_name   = alicloud_fcv3_function.relay.function_name
  qualifier       = "LATEST"
  trigger_name    = "oss-${each.value}"
  trigger_type    = "oss"
  description     = "mdss-relay"
  source_arn      = "acs:oss:${var.region}:${local.account}:${each.value}"
  invocation_role = "acs:ram::${local.account}:role/${alicloud_ram_role.trigger.role_name}"
  trigger_config  = jsonencode({ events = local.events, filter = { key = { prefix = var.prefix, suffix = var.suffix } } })
  depends_on      = [alicloud_fcv3_async_invoke_config.relay, alicloud_ram_role_policy_attachment.trigger]
}

# --- alarms -------------------------------------------------------------------------------------------------------------------

resource "alicloud_cms_alarm" "alarms" {
  for_each          = length(var.contact_groups) == 0 ? {} : local.alarms
  name              = "${var.name}: ${each.key}"
  project           = each.value.project
  metric            = each.value.metric
  metric_dimensions = jsonencode([merge({ userId = local.account, region = var.region }, each.value.of)])
  contact_groups    = var.contact_groups
  period            = 300
  silence_time      = 3600
  escalations_critical {
    statistics          = each.value.statistics
    comparison_operator = ">"
    threshold           = 0
    times               = 1
  }
}
