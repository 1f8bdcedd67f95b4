//! A connection for the rig's own questions.

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::error::RigError;

/// A connection to `url`. It ends with the client, or with the runtime.
///
/// # Errors
///
/// [`RigError::Sql`] if it cannot be made.
pub async fn client(url: &str) -> Result<Client, RigError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .map_err(RigError::sql(format!("cannot connect to {url}")))?;
    tokio::spawn(async move {
        // What goes wrong with it, the next statement says.
        let _ = connection.await;
    });
    Ok(client)
}

/// The first column of all that `statement` gives, as text; NULL is an empty one.
///
/// # Errors
///
/// [`RigError::Sql`] if there is no connection, or the statement fails.
pub async fn ask(url: &str, statement: &str) -> Result<Vec<String>, RigError> {
    let client = client(url).await?;
    let messages =
        client.simple_query(statement).await.map_err(RigError::sql(format!("{statement} failed")))?;
    let first = |message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    };
    Ok(messages.into_iter().filter_map(first).collect())
}
