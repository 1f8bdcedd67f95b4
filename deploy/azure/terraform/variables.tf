variable "name" {
  description = "First part of every name."
  type        = string
  default     = "mdss-relay"
  validation {
    condition     = can(regex("^[A-Za-z][0-9A-Za-z-]{1,16}[0-9A-Za-z]$", var.name))
    error_message = "3 to 18 letters, digits and '-', a letter first and no '-' last."
  }
}

variable "resource_group_name" {
  description = "The relay's own resource group, which exists."
  type        = string
}

variable "endpoint" {
  description = "MDSS's address or webhook URL."
  type        = string
}

variable "api_key" {
  description = "API key of an MDSS user, as TF_VAR_api_key. It goes into the vault and into no state."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "api_key_version" {
  description = "Raise it to have a changed api_key written."
  type        = number
  default     = 1
}

variable "storage_client_id" {
  description = "The storage unit in MDSS that takes every blob; null if relay_config_toml has routes."
  type        = string
  default     = null
}

variable "relay_config_toml" {
  description = "A TOML configuration with routes and all other settings."
  type        = string
  default     = null
}

variable "subnet_id" {
  description = "A subnet delegated to Microsoft.App/environments, with a way to MDSS; null if MDSS has a public address."
  type        = string
  default     = null
}

variable "max_tries" {
  description = "How often a message is tried, five minutes apart, before it goes to the poison queue."
  type        = number
  default     = 288
  validation {
    condition     = var.max_tries >= 5 && var.max_tries <= 2016
    error_message = "From 5 to 2016."
  }
}

variable "storage_replication" {
  description = "Of the relay's own storage: ZRS, or LRS where a region has no zones."
  type        = string
  default     = "ZRS"
}

variable "log_retention" {
  description = "Days for which the log is kept."
  type        = number
  default     = 30
}

variable "account_id" {
  description = "The watched storage account."
  type        = string
}

variable "system_topic" {
  description = "Name and group of the account's system topic, if somebody made one: an account has one at most. It needs a system-assigned identity."
  type        = object({ name = string, resource_group_name = string })
  default     = null
}

variable "containers" {
  description = "Containers whose blobs are announced, or folders in them: NAME or NAME/PREFIX/."
  type        = list(string)
  validation {
    condition     = length(var.containers) > 0 && length(var.containers) <= 22
    error_message = "1 to 22: an event subscription takes 25 filter values, and three are taken."
  }
  validation {
    condition     = alltrue([for c in var.containers : !strcontains(c, "/") || endswith(c, "/")])
    error_message = "A prefix ends in a slash; without it \"in/box\" would take \"in/box2\" too."
  }
}

variable "way" {
  description = "queue: through the storage queue. direct: Event Grid calls the function."
  type        = string
  default     = "queue"
  validation {
    condition     = contains(["queue", "direct"], var.way)
    error_message = "One of queue, direct."
  }
}

variable "subscribe" {
  description = "False for the first apply. Then the code: az functionapp deployment source config-zip. Then true: Event Grid refuses a function that it cannot find."
  type        = bool
}

variable "action_group_id" {
  description = "Gets the alarms; null: they are visible only in the portal."
  type        = string
  default     = null
}
