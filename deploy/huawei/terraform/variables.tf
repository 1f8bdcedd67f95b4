variable "region" {
  type        = string
  description = "Region of the buckets, and so of the function"
}

variable "name" {
  type        = string
  description = "Name of the function, its log and its agency"
  default     = "mdss-relay"
}

variable "zip" {
  type        = string
  description = "The zip that `make dist` made; or image"
  default     = null
}

variable "image" {
  type        = string
  description = "An image in SWR, with a tag or a digest; or zip"
  default     = null
}

variable "vpc_id" {
  type        = string
  description = "If MDSS is reached through a VPC"
  default     = null
}

variable "subnet_id" {
  type        = string
  description = "Beside vpc_id"
  default     = null
}

variable "timeout" {
  type        = number
  description = "Seconds for one call"
  default     = 60
}

variable "memory" {
  type    = number
  default = 128
}

variable "max_instances" {
  type        = number
  description = "Calls at once; what is above waits"
  default     = 10
}

variable "retries" {
  type        = number
  description = "0 to 3: further tries after a failed call"
  default     = 3
}

variable "event_age" {
  type        = number
  description = "Seconds for which an event is kept for its tries, at most 86400"
  default     = 86400
}

variable "dead_letters" {
  type        = string
  description = "The bucket that takes what was given up, under the function's name; none of buckets"
}

variable "endpoint" {
  type        = string
  description = "MDSS's address or webhook URL"
}

variable "api_key" {
  type        = string
  description = "API key of MDSS. It stands in Terraform's state"
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
  sensitive   = true
}

variable "plain_variables" {
  type        = bool
  description = "Only if the function's log says that APIKEY is missing: the console shows plain variables"
  default     = false
}

variable "buckets" {
  type        = set(string)
  description = "The buckets of the objects"
}

variable "prefix" {
  type        = string
  description = "Only names that begin with it; letters, digits, '.', '_' and '-'"
  default     = null
}

variable "suffix" {
  type        = string
  description = "Only names that end with it; letters, digits, '.', '_' and '-'"
  default     = null
}

variable "eg_agency" {
  type        = string
  description = "As what EventGrid calls the function; the console makes it when EventGrid is authorised"
  default     = "EG_TARGET_AGENCY"
}

variable "log_retention" {
  type        = number
  description = "Days"
  default     = 30
}

variable "alarm_topic" {
  type        = string
  description = "URN of the SMN topic that gets the alarm about failed calls"
  default     = null
}

variable "alarm_action_rule" {
  type        = string
  description = "AOM's alarm action rule for the alarm about lines of level ERROR"
  default     = null
}
