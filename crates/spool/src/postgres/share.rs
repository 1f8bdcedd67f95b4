//! One bucket of requests, and one relay that probes: whatever is asked of MDSS is asked for all relays together.
//!
//! A bucket holds a quarter of a second's worth. Whoever is cut off from the database gets nothing out of it, and stops by itself.

use futures_util::future::join3;
use tokio_postgres::types::Type;
use tracing::debug;

use super::failure::{Fault, text};
use crate::grant::{Ask, Grant};
use mdss_relay_postgres::{Line, Parameter};

/// The row is locked before it is read, and time is read after that: a wait for the lock is no time lost.
const BUCKET: &str = "
WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO mdss_relay.pace AS p (tokens, at, granted) SELECT greatest($2 / 4, 1) - 1, clock_timestamp(), least($1, 1) FROM setting
ON CONFLICT (one) DO UPDATE SET (tokens, at, granted) = (
    SELECT b.tokens - g.granted, b.at, g.granted::int
    FROM (SELECT c.at, least(p.tokens + greatest(extract(epoch FROM c.at - p.at), 0) * $2, greatest($2 / 4, 1))::float8 AS tokens
          FROM (SELECT clock_timestamp() AS at) c) b,
         LATERAL (SELECT greatest(least($1, floor(b.tokens)), 0) AS granted) g)
RETURNING granted";

/// Who opens a breaker first holds it, as long as it is heard of; the others leave it alone.
const HOLD: &str = "
WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)), gone AS (
    DELETE FROM mdss_relay.breaker USING setting
    WHERE until <= clock_timestamp() AND lane <> ALL ($2) OR holder = $1::text::uuid AND lane <> ALL ($2))
INSERT INTO mdss_relay.breaker AS b (lane, holder, until, reason)
SELECT u.lane, $1::text::uuid, clock_timestamp() + interval '10 s', u.reason FROM setting, unnest($2::text[], $3::text[]) AS u (lane, reason) ORDER BY u.lane
ON CONFLICT (lane) DO UPDATE SET holder = excluded.holder, until = excluded.until, reason = excluded.reason
WHERE b.until <= clock_timestamp() OR b.holder = excluded.holder AND b.until < clock_timestamp() + interval '7 s'";

const ELSEWHERE: &str =
    "SELECT lane FROM mdss_relay.breaker WHERE holder <> $1::text::uuid AND until > clock_timestamp()";

/// Asks for requests, and says what this relay finds out. Gives whether that was heard.
///
/// # Errors
/// If the database gives no answer; then nothing may be sent.
pub(super) async fn share(line: &Line, id: &str, ask: &Ask, told: bool) -> Result<(Grant, bool), Fault> {
    let (wish, most) = (f64::from(ask.wish), f64::from(ask.most.max(1)));
    let (lanes, reasons): (Vec<&str>, Vec<&str>) =
        ask.open.iter().map(|(lane, reason)| (lane.as_str(), reason.as_str())).unzip();
    let bucket: [Parameter<'_>; 2] = [(&wish, Type::FLOAT8), (&most, Type::FLOAT8)];
    let hold: [Parameter<'_>; 3] =
        [(&id, Type::TEXT), (&lanes, Type::TEXT_ARRAY), (&reasons, Type::TEXT_ARRAY)];
    let elsewhere: [Parameter<'_>; 1] = [(&id, Type::TEXT)];
    let (granted, held, elsewhere) = join3(
        line.client.query_typed(BUCKET, &bucket),
        async {
            match told {
                true => line.client.query_typed(HOLD, &hold).await.map(drop),
                false => Ok(()),
            }
        },
        line.client.query_typed(ELSEWHERE, &elsewhere),
    )
    .await;
    let (granted, elsewhere) = (granted?, elsewhere?);
    if let Err(e) = &held {
        // As on a full disk. The others hear of this breaker later, and each finds out for itself; without a request nobody would.
        debug!("the other relays could not be told which breakers are open: {}", text(e));
    }
    let granted: i32 = granted.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(0);
    let elsewhere = elsewhere.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok((Grant { tokens: u32::try_from(granted).unwrap_or(0), elsewhere }, held.is_ok()))
}
