variable "region" {
  type        = string
  description = "Region of the function and of the buckets; that of the provider too"
}

variable "name" {
  type        = string
  description = "Name of the function, the log set and the log topic; the first part of every other name"
  default     = "mdss-relay"
}

variable "zip_file" {
  type        = string
  description = "dist/tencent-scf/mdss-relay-tencent-scf-amd64.zip; or image"
  default     = null
}

variable "image" {
  type        = string
  description = "DOMAIN/NAMESPACE/NAME:TAG in Tencent's registry; or zip_file. One cannot become the other"
  default     = null
}

variable "registry_id" {
  type        = string
  description = "With image, of the enterprise edition of the registry"
  default     = null
}

variable "endpoint" {
  type        = string
  description = "MDSS's address or webhook URL"
}

variable "api_key" {
  type        = string
  description = "API key of an MDSS user, as TF_VAR_api_key. It ends up in the state, as every value of a resource does: keep the state where only those who may know the key can read it"
  sensitive   = true
}

variable "storage_client_id" {
  type        = string
  description = "The storage unit in MDSS that takes every object; or relay_config"
  default     = null
}

variable "relay_config" {
  type        = string
  description = "TOML with [[route]]s and other settings, at most 3500 bytes; or storage_client_id"
  default     = null
}

variable "buckets" {
  type        = set(string)
  description = "The buckets of the objects, each as NAME-APPID"
}

variable "prefixes" {
  type        = set(string)
  description = "Only keys that begin with one of them; none may begin with another. Ten triggers, one for each bucket and prefix, are the most"
  default     = [""]
}

variable "suffix" {
  type        = string
  description = "Only keys that end with it; it begins with a full stop. Uploaders choose names: an a.PDF is not scanned with .pdf"
  default     = ""
  validation {
    condition     = var.suffix == "" || startswith(var.suffix, ".")
    error_message = "COS takes a suffix that begins with a full stop."
  }
}

variable "function_timeout" {
  type        = number
  description = "30 to 900 seconds; within one call the relay repeats for 10 seconds less"
  default     = 300
}

variable "concurrency" {
  type        = number
  description = "Calls at once; what is above waits up to max_age. 0 lets everything wait"
  default     = 20
}

variable "retries" {
  type        = number
  description = "0 to 2: how often SCF repeats a failed call, one minute apart"
  default     = 2
}

variable "max_age" {
  type        = number
  description = "60 to 21600 seconds, not hours: how long an event may wait"
  default     = 21600
  validation {
    condition     = var.max_age >= 60 && var.max_age <= 21600
    error_message = "SCF takes 60 to 21600 seconds (GetAccount: MinMsgTTL, MaxMsgTTL)."
  }
}

variable "dead_letter_type" {
  type        = string
  description = "What SCF calls a queue of CMQ"
  default     = "CMQ-QUEUE"
}

variable "dead_letter_retention" {
  type        = number
  description = "Seconds; a queue forgets after that, and after an hour if nobody says it"
  default     = 43200
}

variable "log_retention" {
  type        = number
  description = "Days"
  default     = 30
}

variable "vpc_id" {
  type        = string
  description = "If MDSS is in a VPC; with subnet_id"
  default     = null
}

variable "subnet_id" {
  type    = string
  default = null
}

variable "alarm_notice_ids" {
  type        = set(string)
  description = "Notice channel groups of the log service that the alarms go to; without one no alarm is made"
  default     = []
}
