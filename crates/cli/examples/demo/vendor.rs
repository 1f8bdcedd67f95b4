//! The same uploads with a function as MDSS's vendor publishes them.

use std::time::Duration;

use drive::HttpPoster;
use serde_json::{Value, json};

use crate::story::{UPLOADS, expect, text, uploads};
use crate::world::{API_KEY, LIMIT, Result, World};

/// A stand-in for the vendor's function: it posts the key, once, looks at no answer, and fails only if there is no connection.
/// Its published ones for AWS and Azure do that (OPSWAT/metadefender-k8s, `terraform/CloudFunctions`), in Python.
async fn vendors_function(world: &World, event: &Value, unit: &str) -> Result<()> {
    let metadata = json!({ "s3": { "object": { "key": event["Records"][0]["s3"]["object"]["key"] } } });
    let body = json!({ "storageClientId": unit, "metadata": metadata.to_string() }).to_string();
    let url = format!("{}/api/webhook/realtime", world.endpoint());
    let headers = [("Content-Type", "application/json"), ("ApiKey", API_KEY)];
    HttpPoster::new(LIMIT).send("POST", &url, &headers, body).await?;
    Ok(())
}

pub(crate) async fn the_same(world: &mut World) -> Result<()> {
    println!(
        "\n4. The same with a stand-in for the vendor's function, which posts once and looks at no answer."
    );
    let files = uploads(world)?;
    let unit = unit()?;

    // It is a stand-in worth looking at only if it works while MDSS does.
    world.control("DELETE", "/_sim/requests", "").await?;
    let first: Value = serde_json::from_slice(&std::fs::read(&files[0])?)?;
    vendors_function(world, &first, &unit).await?;
    expect(
        "the vendor's function while MDSS is there",
        world.accepted().await?.len() == 1,
        &"nothing accepted",
    )?;

    world.control("DELETE", "/_sim/requests", "").await?;
    let busy: Vec<_> = (0..UPLOADS).map(|_| "unavailable").collect();
    world.control("POST", "/_sim/script", &json!(busy).to_string()).await?;
    let failed = call_for_each(world, &files, &unit).await?;
    let lost = UPLOADS - world.accepted().await?.len();
    println!(
        "   MDSS restarts behind its proxy (503): the cloud hears \"done\" {} times; lost {lost} of {UPLOADS}, and nothing says so",
        UPLOADS - failed
    );
    expect("what the vendor's function loses", (failed, lost) == (0, UPLOADS), &(failed, lost))?;

    world.stop_mdss();
    let failed = call_for_each(world, &files, &unit).await?;
    world.start_mdss().await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let lost = UPLOADS - world.accepted().await?.len();
    println!(
        "   MDSS is away (no connection):          {failed} calls fail; lost {lost} of {UPLOADS}, unless the cloud calls again"
    );
    expect("what the vendor's function loses", (failed, lost) == (UPLOADS, UPLOADS), &(failed, lost))
}

/// How many calls failed.
async fn call_for_each(world: &World, files: &[String], unit: &str) -> Result<usize> {
    let mut failed = 0;
    for file in files {
        let event = serde_json::from_slice(&std::fs::read(file)?)?;
        failed += usize::from(vendors_function(world, &event, unit).await.is_err());
    }
    Ok(failed)
}

/// The storage unit of the uploads.
fn unit() -> Result<String> {
    let want: Value = serde_json::from_slice(&std::fs::read("events/minio/create.want.json")?)?;
    Ok(text(&want["records"][0]["request"]["storageClientId"]))
}
