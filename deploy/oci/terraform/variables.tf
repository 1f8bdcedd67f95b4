variable "compartment_id" {
  description = "Compartment of the application, the function and the log group."
  type        = string
}

variable "bucket_compartment_id" {
  description = "Compartment of the rule: the buckets' own or one above it, because a rule sees its compartment and those below. Default: compartment_id."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Subnets of the application. MDSS and the registry must be reachable from them."
  type        = list(string)
}

variable "shape" {
  description = "Architecture of the application; fixed when it is made."
  type        = string
  default     = "GENERIC_X86"
  validation {
    condition     = contains(["GENERIC_X86", "GENERIC_ARM", "GENERIC_X86_ARM"], var.shape)
    error_message = "One of GENERIC_X86, GENERIC_ARM, GENERIC_X86_ARM."
  }
}

variable "image" {
  description = "The image in the region's own registry, with a tag or a digest."
  type        = string
}

variable "memory_in_mbs" {
  description = "Memory of the function."
  type        = number
  default     = 128
  validation {
    condition     = contains([128, 256, 512, 1024, 2048, 3072], var.memory_in_mbs)
    error_message = "One of 128, 256, 512, 1024, 2048, 3072."
  }
}

variable "timeout_in_seconds" {
  description = "The longest one call may take."
  type        = number
  default     = 60
  validation {
    condition     = var.timeout_in_seconds >= 5 && var.timeout_in_seconds <= 300
    error_message = "From 5 to 300."
  }
}

variable "endpoint" {
  description = "MDSS's address or webhook URL."
  type        = string
}

variable "api_key" {
  description = "API key of an MDSS user, as TF_VAR_api_key. It ends up in the state, as every value of a resource does: keep the state where only those who may know the key can read it."
  type        = string
  sensitive   = true
}

variable "storage_client_id" {
  description = "The storage unit in MDSS that takes every object; null if more_config has RELAY_CONFIG_TOML with routes."
  type        = string
  default     = null
}

variable "more_config" {
  description = "Further variables of the relay, such as { RELAY_LOG = \"debug\" }."
  type        = map(string)
  default     = {}
}

variable "bucket_names" {
  description = "Whose objects. Emission of object events is a property of the bucket: see the note in main.tf."
  type        = list(string)
  validation {
    condition     = length(var.bucket_names) > 0
    error_message = "At least one."
  }
}

variable "with_policy" {
  description = "Allow the Events service to call functions of the compartment; only if deliveries are refused."
  type        = bool
  default     = false
}
