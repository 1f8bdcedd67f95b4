//! `deployer-role.json`, the role for whoever deploys: it holds what the scripts call and what the templates make, and nothing
//! besides. No stand-in enforces it.

use super::*;
use scripts::Call;

const BLOBS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs";
const MESSAGES: &str = "Microsoft.Storage/storageAccounts/queueServices/queues/messages";

/// Actions of a call, without the provider's name in front; by "Azure permissions" (azure/role-based-access-control/permissions).
fn needs(command: &str) -> Vec<String> {
    let topics = "EventGrid/systemTopics";
    let storage = "Storage/storageAccounts";
    let of =
        |what: &str, verbs: &[&str]| verbs.iter().map(|verb| format!("{what}/{verb}")).collect::<Vec<_>>();
    let needed = match command {
        "storage account show" => of(storage, &["read"]),
        "storage container-rm show" => of(&format!("{storage}/blobServices/containers"), &["read"]),
        "eventgrid system-topic list" => of(topics, &["read"]),
        "eventgrid system-topic delete" => of(topics, &["delete"]),
        "eventgrid system-topic event-subscription show"
        | "eventgrid system-topic event-subscription list" => {
            of(&format!("{topics}/eventSubscriptions"), &["read"])
        }
        "eventgrid system-topic event-subscription delete" => {
            of(&format!("{topics}/eventSubscriptions"), &["delete"])
        }
        "group show" => of("Resources/subscriptions/resourceGroups", &["read"]),
        "group create" => of("Resources/subscriptions/resourceGroups", &["write"]),
        "group delete" => of("Resources/subscriptions/resourceGroups", &["delete"]),
        "deployment group show" => of("Resources/deployments", &["read"]),
        "deployment group create" => of(
            "Resources/deployments",
            // The last one for the hint after a failure, `az deployment operation group list`.
            &["validate/action", "write", "read", "operationStatuses/read", "operations/read"],
        ),
        // To hand in code needs what the site's own deployment service asks for, which is documented as Website Contributor alone.
        "functionapp deployment source config-zip" | "functionapp function list" => of("Web/sites", &["*"]),
        "resource show" => of(&format!("{storage}/queueServices/queues"), &["read"]),
        "monitor metrics alert show" => of("Insights/metricAlerts", &["read"]),
        "monitor metrics alert delete" => of("Insights/metricAlerts", &["delete"]),
        "keyvault list-deleted" => of("KeyVault/deletedVaults", &["read"]),
        "keyvault purge" => {
            of("KeyVault/locations", &["deletedVaults/purge/action", "operationResults/read"])
        }
        // The query itself, and each table in it: query/AppTraces/read ("Manage access to Log Analytics workspaces").
        "rest" => of("OperationalInsights/workspaces", &["read", "query/*"]),
        "storage blob upload" => return of(BLOBS, &["write", "add/action"]),
        "storage blob list" | "storage blob download" => return of(BLOBS, &["read"]),
        "storage blob delete" => return of(BLOBS, &["delete"]),
        "storage message put" => return of(MESSAGES, &["add/action"]),
        "storage message get" | "storage message delete" => return of(MESSAGES, &["read", "process/action"]),
        other => panic!("which actions does 'az {other}' need?"),
    };
    needed.into_iter().map(|action| format!("Microsoft.{action}")).collect()
}

/// What a template needs besides writing and reading its resources.
const BESIDES: &[&str] = &[
    // "Event Grid authorization": on the account whose events these are.
    "Microsoft.EventGrid/eventSubscriptions/write",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", // the app gets the identity,
    "Microsoft.Web/serverfarms/join/action",                          // and a place in the plan
    "Microsoft.Network/virtualNetworks/subnets/join/action",          // with --subnet-id
    "Microsoft.Insights/actionGroups/write",                          // the guide makes one
    "Microsoft.Insights/actionGroups/read",                           // with --action-group
];

fn templates() -> String {
    let read = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
    ["relay.bicep", "events.bicep", "rights.bicep"].map(read).concat()
}

/// The types of the templates' resources, such as `Microsoft.Web/sites`.
fn types() -> BTreeSet<String> {
    let text = templates();
    let types = text.lines().filter(|l| l.starts_with("resource ")).map(|l| l.split('\'').nth(1).unwrap());
    types.map(|name| name.split('@').next().unwrap().to_owned()).collect()
}

fn role() -> Value {
    serde_json::from_str(&fs::read_to_string(folder().join("deployer-role.json")).unwrap()).unwrap()
}

fn calls() -> Vec<Call> {
    let azure = Subscription::new();
    let mut calls = azure.deploy(&[]).ended(0).calls;
    calls.extend(azure.deploy(&["--container", "outbox"]).ended(0).calls);
    let line = r#"["{\"message\":\"object accepted by MDSS\",\"faas.document.name\":\"OBJECT\"}"]"#;
    azure.write("log", line);
    let verify = "--resource-group relay --account acct --container inbox --once --remove";
    let verify: Vec<_> = verify.split(' ').collect();
    calls.extend(azure.run("verify.sh", &verify, &[]).ended(0).calls);
    calls.extend(azure.run("verify.sh", &[&verify[..], &["--queue"]].concat(), &[]).ended(0).calls);
    azure.write("poison/one", "e30=");
    azure.write("dead/two", "[{}]");
    calls.extend(azure.run("redrive.sh", &["--resource-group", "relay"], &[]).ended(0).calls);
    calls.extend(azure.run("destroy.sh", &[DESTROY, &["--purge"]].concat(), &[]).ended(0).calls);
    calls
}

#[test]
fn the_role_holds_what_is_called_and_made_and_nothing_besides() {
    let mut needed: BTreeSet<String> = calls().iter().flat_map(|call| needs(&call.command())).collect();
    needed.extend(BESIDES.iter().map(|action| (*action).to_owned()));
    for name in types() {
        needed.extend(["read", "write"].map(|verb| format!("{name}/{verb}")));
        // Of a provider that the subscription has not used yet ("Azure resource providers and types").
        needed.insert(format!("{}/register/action", name.split('/').next().unwrap()));
    }
    needed.remove("Microsoft.Authorization/register/action"); // is always there
    needed.retain(|action| !action.starts_with("Microsoft.Web/sites/") || action.ends_with('*'));
    let role = role();
    for (member, of_data) in [("Actions", false), ("DataActions", true)] {
        let held: BTreeSet<&str> =
            role[member].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
        let is_data = |action: &str| action.starts_with(BLOBS) || action.starts_with(MESSAGES);
        let needed: BTreeSet<&str> =
            needed.iter().map(String::as_str).filter(|a| is_data(a) == of_data).collect();
        assert_eq!(held, needed, "{member}");
    }
}

/// Who may give any role is an owner, so the condition of the role's assignment says which roles, and they are those of the templates.
#[test]
fn the_deployer_gives_the_roles_of_the_templates_alone() {
    let text = templates();
    let is_id = |word: &&str| word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let given: BTreeSet<_> = text.split('\'').filter(is_id).collect();
    assert_eq!(given.len(), 7, "{given:?}");
    let condition = fs::read_to_string(folder().join("deployer-condition.txt")).unwrap();
    let condition =
        condition.split("ForAnyOfAnyValues:GuidEquals {").nth(1).unwrap().split('}').next().unwrap();
    assert_eq!(condition.split(", ").collect::<BTreeSet<_>>(), given);
}
