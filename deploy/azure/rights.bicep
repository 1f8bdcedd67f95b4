// What the system topic may do in the relay's own storage account: put messages into the queue and dead letters into their
// container ("Add an identity to a role on an Azure Event Grid destination").

targetScope = 'resourceGroup'

param storageName string

@description('The topic; a topic that is made anew has another principal and gets rights of its own.')
param topicId string

param principalId string

var roles = {
  storageQueueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' existing = {
  name: '${storageName}/default/relay-objects'
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  name: '${storageName}/default/dead-letters'
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(queue.id, topicId, principalId, roles.storageQueueDataMessageSender)
  scope: queue
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageQueueDataMessageSender)
  }
}

resource keepsDeadLetters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(deadLetters.id, topicId, principalId, roles.storageBlobDataContributor)
  scope: deadLetters
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataContributor)
  }
}
