// The relay as a function app behind a queue. Two deployments, because an event subscription is refused before the code is
// there: this one, then the code, then events.bicep. deploy.sh does all three.
//
// Types and API versions: Azure/bicep-types-az, generated/ (tests/schemas.json is an extract).

targetScope = 'resourceGroup'

@description('First part of every name; the function app, the storage account and the vault get a hash of the group besides.')
@minLength(3)
@maxLength(18)
param name string

param location string = resourceGroup().location

@description('MDSS\'s address or webhook URL.')
param endpoint string

@description('The storage unit in MDSS that takes every object; empty if relayConfigToml has routes.')
param storageClientId string = ''

@description('A TOML configuration with routes and all other settings; empty for none.')
param relayConfigToml string = ''

@description('API key of an MDSS user. Empty: the secret that is in the vault stays.')
@secure()
param apiKey string = ''

@description('A subnet delegated to Microsoft.App/environments, with a way to MDSS; empty if MDSS has a public address.')
param subnetId string = ''

@description('How often a message is tried, five minutes apart, before it goes to the poison queue. 288 times are a day.')
@minValue(5)
@maxValue(2016)
param maxTries int = 288

@description('Of the relay\'s own storage. Zones keep what waits through the loss of a datacentre; not every region has them.')
param storageSku string = 'Standard_ZRS'

@description('Days for which the log is kept.')
@minValue(30)
@maxValue(730)
param logRetention int = 30

@description('Action group that gets the alarms; empty: they are visible only in the portal.')
param actionGroupId string = ''

@description('Changes with every deployment: a changed setting is what makes the app read the vault again.')
param deployedAt string = utcNow()

// Both names are in deploy/azure/function and in tests.
var queueName = 'relay-objects'
var deadLetterContainer = 'dead-letters'
var codeContainer = 'code'
var secretName = 'api-key'
var hash = uniqueString(resourceGroup().id, name)

// Built-in roles: "Azure built-in roles" (learn.microsoft.com/azure/role-based-access-control/built-in-roles).
var roles = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

// --- who the function is -----------------------------------------------------------------------------------------------

// An identity of its own, so that its rights are there before the app is: an app's own identity is born with the app, and
// its first start would find the vault closed.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-identity'
  location: location
}

// --- queue, dead letters, the host's own storage ---------------------------------------------------------------------------

// Not the watched account: dead letters in a watched account would announce themselves.
resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'relay${hash}'
  location: location
  kind: 'StorageV2'
  sku: {
    name: storageSku
  }
  properties: {
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    allowBlobPublicAccess: false
    // Nobody has a key: the function, Event Grid and operators show who they are.
    allowSharedKeyAccess: false
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: storage
  name: 'default'
}

resource code 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: codeContainer
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: deadLetterContainer
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: storage
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: queueName
}

// The extension would make it on demand; made here, so that it can be watched and emptied before the first message is in it.
resource poison 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = {
  parent: queues
  name: '${queueName}-poison'
}

// --- the API key -------------------------------------------------------------------------------------------------------

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: 'relay-${hash}'
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
  }
}

resource secret 'Microsoft.KeyVault/vaults/secrets@2023-07-01' = if (!empty(apiKey)) {
  parent: vault
  name: secretName
  properties: {
    value: apiKey
    contentType: 'text/plain'
  }
}

// --- what the function may do, and nothing else: it has no right on the watched account ------------------------------------

// What the host keeps there: its locks, the code ("Connecting to host storage with an identity", azure-functions
// functions-reference).
resource ownsBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, identity.id, roles.storageBlobDataOwner)
  scope: storage
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataOwner)
  }
}

// Reads and deletes in the queue, writes into the poison queue.
resource usesQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, identity.id, roles.storageQueueDataContributor)
  scope: storage
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageQueueDataContributor)
  }
}

// The host's diagnostic events.
resource usesTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, identity.id, roles.storageTableDataContributor)
  scope: storage
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageTableDataContributor)
  }
}

resource readsSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, identity.id, roles.keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
  }
}

resource writesLog 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, identity.id, roles.monitoringMetricsPublisher)
  scope: insights
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
  }
}

// --- log -----------------------------------------------------------------------------------------------------------------

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: '${name}-log'
  location: location
  properties: {
    retentionInDays: logRetention
    sku: {
      name: 'PerGB2018'
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${name}-insights'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

// --- the function ------------------------------------------------------------------------------------------------------

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: '${name}-plan'
  location: location
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: '${name}-${hash}'
  location: location
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storage.properties.primaryEndpoints.blob}${codeContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      // The custom handler: our own binary, which host.json names.
      runtime: {
        name: 'custom'
        version: '1.0'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 512
        maximumInstanceCount: 40
      }
    }
    siteConfig: {
      appSettings: [
        {
          name: 'AzureWebJobsStorage__accountName'
          value: storage.name
        }
        {
          name: 'AzureWebJobsStorage__credential'
          value: 'managedidentity'
        }
        {
          name: 'AzureWebJobsStorage__clientId'
          value: identity.properties.clientId
        }
        {
          name: 'RelayQueue__queueServiceUri'
          value: storage.properties.primaryEndpoints.queue
        }
        {
          name: 'RelayQueue__credential'
          value: 'managedidentity'
        }
        {
          name: 'RelayQueue__clientId'
          value: identity.properties.clientId
        }
        {
          name: 'AzureFunctionsJobHost__extensions__queues__maxDequeueCount'
          value: string(maxTries)
        }
        // In the zip for those who have a Service Bus; without a connection its listener would fail at every start.
        {
          name: 'AzureWebJobs.ScanServiceBus.Disabled'
          value: 'true'
        }
        {
          name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
          value: insights.properties.ConnectionString
        }
        {
          name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
          value: 'ClientId=${identity.properties.clientId};Authorization=AAD'
        }
        {
          name: 'APIENDPOINT'
          value: endpoint
        }
        // Read from the vault by the platform, and again within a day or when a setting changes ("Use Key Vault references",
        // app-service-key-vault-references).
        {
          name: 'APIKEY'
          value: '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/${secretName})'
        }
        // Never both; an empty one counts as none.
        {
          name: 'STORAGECLIENTID'
          value: storageClientId
        }
        {
          name: 'RELAY_CONFIG_TOML'
          value: relayConfigToml
        }
        // What can never be used ends in the poison queue, where somebody can look at it, and not in a line alone.
        {
          name: 'RELAY_ON_PERMANENT'
          value: 'fail'
        }
        {
          name: 'DEPLOYED_AT'
          value: deployedAt
        }
      ]
    }
  }
  dependsOn: [
    code
    queue
    poison
    secret
    ownsBlobs
    usesQueues
    usesTables
    readsSecrets
    writesLog
  ]
}

// --- alarms ------------------------------------------------------------------------------------------------------------

// A line is in the log some minutes after it was written. The texts in quotes are the relay's own fields, and the host's
// words for a message that was tried too often (Azure/azure-webjobs-sdk, QueueProcessor).
var alarms = [
  {
    name: 'operator-must-act'
    text: 'A wrong key, an unknown unit, a scan that is not Event-Based, a container without a route: mdss.reason in the log says which'
    query: 'traces | where message startswith "{" | where tostring(parse_json(message)["mdss.failure_kind"]) == "config"'
    periods: 1
  }
  {
    name: 'unusable-events'
    text: 'An event that can never be used: mdss.reason and mdss.detail in the log say why'
    query: 'traces | where message startswith "{" | where tostring(parse_json(message)["mdss.failure_kind"]) == "permanent"'
    periods: 1
  }
  {
    name: 'not-accepted'
    text: 'MDSS has not accepted objects for a quarter of an hour; their events are tried again every five minutes'
    query: 'traces | where message startswith "{" | where tostring(parse_json(message)["mdss.failure_kind"]) == "transient"'
    periods: 3
  }
  {
    name: 'poison'
    text: 'Events were given up and are in the poison queue; their objects are unscanned'
    query: 'traces | where message contains "Message has reached MaxDequeueCount"'
    periods: 1
  }
  {
    name: 'function-broken'
    text: 'The function did not start: all mistakes in its settings are in the log'
    query: 'union traces, exceptions | where coalesce(message, outerMessage) has_any ("Exceeded http worker restart", "Failed to start a new worker", "Function host is not running")'
    periods: 1
  }
]

resource rules 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [for alarm in alarms: {
  name: '${name}-${alarm.name}'
  location: location
  properties: {
    displayName: '${name}: ${alarm.name}'
    description: alarm.text
    severity: 1
    enabled: true
    scopes: [
      insights.id
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      allOf: [
        {
          query: alarm.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: alarm.periods
            minFailingPeriodsToAlert: alarm.periods
          }
        }
      ]
    }
    autoMitigate: true
    actions: {
      actionGroups: empty(actionGroupId) ? [] : [
        actionGroupId
      ]
    }
  }
}]

output app string = app.name
output appId string = app.id
output storage string = storage.name
output storageId string = storage.id
output queueId string = queue.id
output poisonQueueId string = poison.id
output vault string = vault.name
output workspace string = workspace.properties.customerId
