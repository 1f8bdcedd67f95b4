output "app" {
  description = "az functionapp deployment source config-zip --resource-group GROUP --name APP --src ZIP"
  value       = azapi_resource.app.name
}

output "storage" {
  value = azurerm_storage_account.relay.name
}

output "workspace" {
  value = azurerm_log_analytics_workspace.relay.workspace_id
}
