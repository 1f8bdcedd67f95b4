# shellcheck shell=bash
# A tenancy with the vendor's function, as its guide makes it, and a subscription with a storage account.
mkdir -p /var/lib/oci/{calls,given,things/{application,function,rule}} /var/lib/az/{calls,given}
printf 'Commands:\n  container-function  Creates a new function.\n' > /var/lib/oci/help
echo ocid1.application.oc1..MetaDefenderStorageProcessorApp > /var/lib/oci/things/application/MetaDefenderStorageProcessorApp
echo ocid1.function.oc1..MetaDefenderStorageSecurityProcessor > /var/lib/oci/things/function/MetaDefenderStorageSecurityProcessor
echo ocid1.rule.oc1..ObjectCreateTriggerRule > /var/lib/oci/things/rule/ObjectCreateTriggerRule
printf 'APIENDPOINT\nAPIKEY\nSTORAGECLIENTID\n' > /var/lib/oci/names
echo examplestorage > /var/lib/az/account

# The function has the image, and its rule fires on what is overwritten, too.
finally() {
    grep -rqF 'mdss-relay-oci-fn:0.1.0' /var/lib/oci/calls
    grep -rqF 'com.oraclecloud.objectstorage.updateobject' /var/lib/oci/calls
}
