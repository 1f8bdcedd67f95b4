variable "project" {
  type        = string
  description = "Id of the project of the relay, its topics and its service accounts"
}

variable "region" {
  type        = string
  description = "Region of the service"
}

variable "name" {
  type        = string
  description = "First part of every name"
  default     = "mdss-relay"
}

variable "image" {
  type        = string
  description = "The server's image in Artifact Registry, with a tag or a digest"
}

variable "endpoint" {
  type        = string
  description = "MDSS's address or webhook URL"
}

variable "storage_client_id" {
  type        = string
  description = "The storage unit in MDSS that takes every object; or relay_config"
  default     = null
}

variable "relay_config" {
  type        = string
  description = "TOML with [[route]]s and other settings, without a source; or storage_client_id"
  default     = null
}

variable "secret" {
  type        = string
  description = "Name of the secret with the API key. It exists already: a key in a variable would stand in the state"
}

variable "secret_version" {
  type        = string
  description = "Its version. Another key is another version, and another revision of the service"
  default     = "1"
}

variable "buckets" {
  type        = set(string)
  description = "The buckets of the objects"
}

variable "prefix" {
  type        = string
  description = "Only names that begin with it"
  default     = null
}

variable "ingress" {
  type        = string
  description = "INGRESS_TRAFFIC_ALL, or INGRESS_TRAFFIC_INTERNAL_ONLY: only Google's own services of this project and the VPC reach the relay"
  default     = "INGRESS_TRAFFIC_ALL"
}

variable "subnetwork" {
  type        = string
  description = "If MDSS is in a VPC: the subnet through which private addresses are reached"
  default     = null
}

variable "min_instances" {
  type        = number
  description = "These are always warm"
  default     = 1
}

variable "max_instances" {
  type    = number
  default = 3
}

variable "max_attempts" {
  type        = number
  description = "5 to 100: how often an event is pushed before it is a dead letter"
  default     = 100
}

variable "notification_channels" {
  type        = list(string)
  description = "Who gets the alarms: projects/…/notificationChannels/…"
  default     = []
}
