terraform {
  required_version = ">= 1.11" # write-only arguments: the API key is in no state
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 5.0"
    }
    azapi = {
      source  = "azure/azapi"
      version = ">= 2.0"
    }
  }
}

# Your provider block needs `storage_use_azuread = true`, because the relay's storage account takes no shared keys.
