// The watched account tells the relay: system topic, rights, event subscription, alarms. Deployed into the group of the system
// topic, after the function's code is there: Event Grid refuses a function that it cannot find ("Webhook validation handshake
// failed", Azure/azure-functions-host#6402).

targetScope = 'resourceGroup'

param name string

@description('The watched storage account.')
param accountId string

@description('Of the account; a topic has to be in the same.')
param location string

@description('An account has one system topic at most ("System topics in Azure Event Grid").')
param topicName string

@description('False if somebody else made the topic; then it is used as it is and must have an identity of its own.')
param makeTopic bool

@description('What names begin with in subjects, each with a slash at the end: without it "in" would match "in2" too.')
@minLength(1)
@maxLength(22)
param subjects array

@description('queue: through the storage queue. direct: Event Grid calls the function.')
@allowed([
  'queue'
  'direct'
])
param way string = 'queue'

@description('The relay\'s own storage account, with the queue and the container for dead letters.')
param relayStorageId string

param appId string

param actionGroupId string = ''

resource made 'Microsoft.EventGrid/systemTopics@2022-06-15' = if (makeTopic) {
  name: topicName
  location: location
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: accountId
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2022-06-15' existing = {
  name: topicName
}

module rights 'rights.bicep' = {
  name: '${name}-rights'
  scope: resourceGroup(split(relayStorageId, '/')[2], split(relayStorageId, '/')[4])
  params: {
    storageName: last(split(relayStorageId, '/'))
    topicId: topic.id
    principalId: topic.identity.principalId
  }
  dependsOn: [
    made
  ]
}

resource subscription 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = {
  parent: topic
  name: name
  properties: {
    // With the identity, also through a firewall that lets trusted services pass ("Storage queue as an event handler").
    deliveryWithResourceIdentity: way == 'queue' ? {
      identity: {
        type: 'SystemAssigned'
      }
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: relayStorageId
          queueName: 'relay-objects'
          // Never: a message ends by being done or in the poison queue, not by age. The default is seven days.
          queueMessageTimeToLiveInSeconds: -1
        }
      }
    } : null
    destination: way == 'direct' ? {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${appId}/functions/ScanEvent'
        maxEventsPerBatch: 1
        preferredBatchSizeInKilobytes: 64
      }
    } : null
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: relayStorageId
          blobContainerName: 'dead-letters'
        }
      }
    }
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: [
        'Microsoft.Storage.BlobCreated'
        // With a hierarchical namespace a blob can be written elsewhere and moved in.
        'Microsoft.Storage.BlobRenamed'
      ]
      subjectBeginsWith: '/blobServices/default/containers/'
      advancedFilters: [
        {
          operatorType: 'StringBeginsWith'
          key: 'subject'
          values: subjects
        }
        // Beginnings of an upload, of which the end is announced too ("Azure Blob Storage as Event Grid source").
        {
          operatorType: 'StringNotIn'
          key: 'data.api'
          values: [
            'CreateFile'
            'SftpCreate'
            'SftpWrite'
          ]
        }
      ]
    }
    // The most there is of both ("Event Grid message delivery and retry").
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
  dependsOn: [
    rights
  ]
}

var alarms = [
  {
    name: 'dead-lettered'
    metric: 'DeadLetteredCount'
    text: 'Event Grid gave events up and put them into the container for dead letters; their objects are unscanned'
  }
  {
    name: 'dropped'
    metric: 'DroppedEventCount'
    text: 'Event Grid gave events up and could not keep them; their objects are unscanned'
  }
]

resource rules 'Microsoft.Insights/metricAlerts@2018-03-01' = [for alarm in alarms: {
  name: '${name}-${alarm.name}'
  location: 'global'
  properties: {
    description: alarm.text
    severity: 1
    enabled: true
    scopes: [
      topic.id
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: alarm.name
          metricName: alarm.metric
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
          // Of this subscription alone: others may share the topic.
          dimensions: [
            {
              name: 'EventSubscriptionName'
              operator: 'Include'
              values: [
                toUpper(name)
                name
              ]
            }
          ]
        }
      ]
    }
    actions: empty(actionGroupId) ? [] : [
      {
        actionGroupId: actionGroupId
      }
    ]
  }
  dependsOn: [
    made
  ]
}]

output topic string = topic.name
