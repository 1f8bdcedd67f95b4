variable "region" {
  type        = string
  description = "Region of the buckets, and so of the function; the provider's region has to be the same"
}

variable "name" {
  type        = string
  description = "The function's name, and the first part of all others"
  default     = "mdss-relay"
}

variable "zip" {
  type        = string
  description = "The binary, named bootstrap: what `make dist` has left in dist/alibaba-fc"
}

variable "endpoint" {
  type        = string
  description = "MDSS's address or webhook URL"
}

variable "api_key" {
  type        = string
  description = "MDSS's API key. It stands in Terraform's state and in the function's variables: Function Compute refers to no secret"
  sensitive   = true
}

variable "storage_client_id" {
  type        = string
  description = "The storage unit in MDSS that takes every object; or relay_config"
  default     = null
}

variable "relay_config" {
  type        = string
  description = "TOML with [[route]]s and other settings; or storage_client_id"
  default     = null
}

variable "buckets" {
  type        = set(string)
  description = "The buckets of the objects"
}

variable "prefix" {
  type        = string
  description = "Only keys that begin with it. OSS takes no two triggers of a bucket for one event whose prefixes and suffixes overlap"
  default     = ""
}

variable "suffix" {
  type        = string
  description = "Only keys that end with it"
  default     = ""
}

variable "timeout" {
  type        = number
  description = "Seconds, 30 to 600: the longest that one call may take"
  default     = 60
}

variable "retries" {
  type        = number
  description = "0 to 8: how often a failed call is repeated before its event is a dead letter"
  default     = 8
}

variable "event_age" {
  type        = number
  description = "Seconds, 60 to 604800: how long an event may wait"
  default     = 604800
}

variable "vpc" {
  type        = object({ vpc_id = string, vswitch_ids = list(string), security_group_id = string })
  description = "If MDSS is in a VPC"
  default     = null
}

variable "log_retention" {
  type        = number
  description = "Days"
  default     = 30
}

variable "contact_groups" {
  type        = list(string)
  description = "CloudMonitor's contact groups that get the alarms; without one none are made"
  default     = []
}
