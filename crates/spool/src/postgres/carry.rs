//! Carrying events into the database and out of it, on one connection of an operator's: a step is one transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::accept::{commit, probe};
use super::beat::{self, Replica};
use super::delivery::{moment, shown};
use super::failure::Fault;
use super::numbers::Numbers;
use super::outbox;
use super::room::{number, state};
use super::schema::TABLES;
use super::standing::{self, Watched};
use crate::clock::Moment;
use crate::outbox::OutboxRow;
use crate::parcel::{Carried, Parcel, hash};
use crate::trouble::Trouble;
use mdss_relay_postgres::{Database, Durability};
use mdss_relay_postgres::{Line, Parameter};

/// How long one step may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// The last moment that is written: what is put off for ever is put off until here, which every date of the database can hold.
const LAST: i64 = 253_402_300_799_000;

/// Who takes facts and is no relay.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// As an accept does it (`accept.rs`), with what has become of an item so far.
const ADOPT: &str = "
WITH setting AS MATERIALIZED (
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true) AS sync,
           pg_logical_emit_message(true, 'mdss-relay', '') AS written
), stored AS (
    INSERT INTO mdss_relay.item (id, token, delivery, source, path, lane, state, attempts, since, not_before, reason, detail, bucket, key, mark, bytes)
    SELECT i.id, i.token, i.delivery, i.source, i.path, i.lane, i.state, i.attempts, to_timestamp(i.since / 1000.0), to_timestamp(i.not_before / 1000.0),
           i.reason, i.detail, i.bucket, i.key, i.mark, i.bytes
    FROM setting, unnest($1::int8[], $2::int4[], $3::int8[], $4::text[], $5::bytea[], $6::text[], $7::int2[], $8::int4[], $9::int8[], $10::int8[],
                         $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::int8[])
         AS i (id, token, delivery, source, path, lane, state, attempts, since, not_before, reason, detail, bucket, key, mark, bytes)
    WHERE NOT EXISTS (SELECT FROM mdss_relay.done WHERE done.mark = i.mark)
    ORDER BY i.mark, i.id
    ON CONFLICT (mark) WHERE mark IS NOT NULL DO NOTHING
    RETURNING id, delivery
), kept AS (
    INSERT INTO mdss_relay.delivery (id, name, source, dialect, method, headers, body, received, checksum, items)
    SELECT d.id, d.name, d.source, d.dialect, d.method, d.headers, d.body, to_timestamp(d.received / 1000.0), d.checksum, s.items
    FROM unnest($17::int8[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::bytea[], $24::int8[], $25::int8[])
         AS d (id, name, source, dialect, method, headers, body, received, checksum)
    JOIN (SELECT delivery, count(*)::int AS items FROM stored GROUP BY 1) s ON s.delivery = d.id
)
SELECT setting.sync, pg_is_in_recovery(), current_setting('synchronous_standby_names'), (SELECT array_agg(id) FROM stored) FROM setting";

/// One connection to a database, for carrying.
pub(crate) struct Door {
    line: Line,
    numbers: Numbers,
    watched: Arc<Watched>,
}

impl Door {
    /// Connects, sees to the tables, and looks how the server stands.
    ///
    /// # Errors
    /// Why the database is not to be used.
    pub(crate) async fn open(database: &Database) -> Result<Self, Trouble> {
        let line = Line::connect(database).await?;
        let watched = Arc::new(Watched::new(database.durability()));
        let prepared = async {
            TABLES.ready(&line, database.migrates()).await?;
            standing::look(&line, &watched).await
        };
        // Tables may have to be made, or wait for whoever makes them.
        let prepared = timeout(4 * DEADLINE, prepared).await.unwrap_or(Err(Fault::Late(4 * DEADLINE)));
        prepared.map_err(|fault| fault.trouble("preparing the connection to the database"))?;
        Ok(Self { line, numbers: Numbers::default(), watched })
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        self.line.close().await;
    }

    /// Facts that the ledger has not got, those that come next.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) async fn facts(&self, most: usize) -> Result<Vec<OutboxRow>, Trouble> {
        let taken = async {
            outbox::end_gap(&self.line).await?;
            // Who took them has gone.
            self.line.client.batch_execute("UPDATE mdss_relay.outbox_state SET holder = NULL").await?;
            outbox::take(&self.line, NOBODY, most).await
        };
        self.within("reading facts", taken).await
    }

    /// Writes facts that come from elsewhere, as safely as events: they are deleted there.
    ///
    /// # Errors
    /// If that is not known: they may be written again.
    pub(crate) async fn adopt_facts(
        &self,
        facts: &[OutboxRow],
        durability: Durability,
    ) -> Result<(), Trouble> {
        let written = async {
            outbox::adopt(&self.line, facts).await?;
            // What a standby has of this commit it has of those before.
            probe(&self.line, durability).await
        };
        self.within("storing facts", written).await
    }

    /// Deletes facts that have arrived elsewhere.
    ///
    /// # Errors
    /// If that cannot be written.
    pub(crate) async fn drop_facts(&self, ids: &[i64]) -> Result<(), Trouble> {
        self.within("deleting facts that were moved", outbox::delete(&self.line, ids)).await
    }

    /// Whether what is written there is as safe as was asked for.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn holds(&self) -> Result<(), Trouble> {
        self.watched.holds()
    }

    async fn within<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Trouble> {
        let outcome = timeout(DEADLINE, work).await.unwrap_or(Err(Fault::Late(DEADLINE)));
        outcome.map_err(|fault| fault.trouble(doing))
    }

    /// The relays that work on it.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) async fn replicas(&self) -> Result<Vec<Replica>, Trouble> {
        self.within("reading who is there", beat::replicas(&self.line)).await
    }

    /// Writes deliveries that come from elsewhere, except items that are there or were accepted. Gives how many items were written.
    ///
    /// # Errors
    /// Whether they were written need not be known: the same step may be done again.
    pub(crate) async fn adopt(&self, parcels: &[Parcel], durability: Durability) -> Result<usize, Trouble> {
        self.within("storing events", self.write(parcels, durability)).await
    }

    async fn write(&self, parcels: &[Parcel], durability: Durability) -> Result<usize, Fault> {
        let count = parcels.iter().map(|parcel| 1 + parcel.items.len()).sum();
        let mut numbers = self.numbers.take(&self.line, count).await?.into_iter();
        let mut next = || numbers.next().unwrap_or_default();
        let deliveries: Vec<i64> = parcels.iter().map(|_| next()).collect();
        let items: Vec<(i64, &Carried)> = parcels
            .iter()
            .zip(&deliveries)
            .flat_map(|(parcel, delivery)| parcel.items.iter().map(|item| (*delivery, item)))
            .collect();
        let ids: Vec<i64> = items.iter().map(|_| next()).collect();
        let tokens: Vec<i32> = items.iter().map(|_| fastrand::i32(..)).collect();
        let of: Vec<i64> = items.iter().map(|(delivery, _)| *delivery).collect();
        let text =
            |get: fn(&Carried) -> &String| items.iter().map(|(_, i)| shown(get(i))).collect::<Vec<_>>();
        let maybe = |get: fn(&Carried) -> &Option<String>| {
            items.iter().map(|(_, i)| get(i).as_deref().map(shown)).collect::<Vec<_>>()
        };
        let millis = |get: fn(&Carried) -> Moment| {
            items.iter().map(|(_, i)| get(i).as_millis().clamp(0, LAST)).collect::<Vec<_>>()
        };
        let (sources, lanes) = (text(|i| &i.source), text(|i| &i.lane));
        let paths: Vec<&[u8]> = items.iter().map(|(_, i)| i.path.as_slice()).collect();
        let states: Vec<i16> = items.iter().map(|(_, i)| number(i.state)).collect();
        let attempts: Vec<i32> = items.iter().map(|(_, i)| i.attempts).collect();
        let (since, not_before) = (millis(|i| i.since), millis(|i| i.not_before));
        let (reasons, details) = (maybe(|i| &i.reason), maybe(|i| &i.detail));
        let (buckets, keys) = (maybe(|i| &i.bucket), maybe(|i| &i.key));
        let marks: Vec<Option<&[u8]>> = items.iter().map(|(_, i)| i.mark.as_deref()).collect();
        let bytes: Vec<i64> = items.iter().map(|(_, i)| i.bytes).collect();
        let names: Vec<String> = parcels.iter().map(|p| shown(&p.name)).collect();
        let their: Vec<Option<String>> = parcels.iter().map(|p| p.source.as_deref().map(shown)).collect();
        let dialects: Vec<Option<&str>> = parcels.iter().map(|p| p.dialect.as_deref()).collect();
        let methods: Vec<String> = parcels.iter().map(|p| shown(&p.method)).collect();
        let headers: Vec<String> = parcels.iter().map(|p| shown(&p.headers)).collect();
        let bodies: Vec<&[u8]> = parcels.iter().map(|p| p.body.as_slice()).collect();
        let received: Vec<i64> = parcels.iter().map(|p| p.received.as_millis().clamp(0, LAST)).collect();
        let checksums: Vec<i64> = parcels.iter().map(|p| p.checksum).collect();
        let parameters: [Parameter<'_>; 25] = [
            (&ids, Type::INT8_ARRAY),
            (&tokens, Type::INT4_ARRAY),
            (&of, Type::INT8_ARRAY),
            (&sources, Type::TEXT_ARRAY),
            (&paths, Type::BYTEA_ARRAY),
            (&lanes, Type::TEXT_ARRAY),
            (&states, Type::INT2_ARRAY),
            (&attempts, Type::INT4_ARRAY),
            (&since, Type::INT8_ARRAY),
            (&not_before, Type::INT8_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
            (&details, Type::TEXT_ARRAY),
            (&buckets, Type::TEXT_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&marks, Type::BYTEA_ARRAY),
            (&bytes, Type::INT8_ARRAY),
            (&deliveries, Type::INT8_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&their, Type::TEXT_ARRAY),
            (&dialects, Type::TEXT_ARRAY),
            (&methods, Type::TEXT_ARRAY),
            (&headers, Type::TEXT_ARRAY),
            (&bodies, Type::BYTEA_ARRAY),
            (&received, Type::INT8_ARRAY),
            (&checksums, Type::INT8_ARRAY),
        ];
        Ok(commit(&self.line, ADOPT, &parameters, durability).await?.len())
    }

    /// Remembers what MDSS has accepted elsewhere, and when.
    ///
    /// # Errors
    /// If that cannot be written; it may be written again.
    pub(crate) async fn remember(&self, marks: &[Vec<u8>], times: &[i64]) -> Result<(), Trouble> {
        let hashes: Vec<Vec<u8>> = marks.iter().map(|mark| hash(mark)).collect();
        let times: Vec<i64> = times.iter().map(|at| (*at).clamp(0, LAST)).collect();
        let sql = "INSERT INTO mdss_relay.done (mark, at) SELECT d.mark, to_timestamp(d.at / 1000.0) FROM unnest($1::bytea[], $2::int8[]) AS d (mark, at)
                   ORDER BY d.mark ON CONFLICT DO NOTHING";
        let written = async {
            let parameters: [Parameter<'_>; 2] = [(&hashes, Type::BYTEA_ARRAY), (&times, Type::INT8_ARRAY)];
            self.line.client.execute_typed(sql, &parameters).await?;
            Ok(())
        };
        self.within("remembering what MDSS has accepted", written).await
    }

    /// Hashes of the marks of what MDSS has accepted, and when it did: the newest, at most so many, the oldest of them first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) async fn remembered(&self, most: usize) -> Result<Vec<(Vec<u8>, Moment)>, Trouble> {
        let sql = "SELECT mark, at FROM (SELECT mark, at FROM mdss_relay.done ORDER BY at DESC, mark LIMIT $1) newest ORDER BY at, mark";
        let read = async {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let rows = self.line.client.query_typed(sql, &[(&most, Type::INT8)]).await?;
            let mark = |row: &Row| Ok((row.try_get(0)?, moment(row.try_get(1)?)));
            Ok(rows.iter().map(mark).collect::<Result<_, tokio_postgres::Error>>()?)
        };
        self.within("reading what MDSS has accepted", read).await
    }

    /// The next deliveries behind `after`, at most so many, and so many bytes of bodies or one. Their items are locked until [`Door::gone`], so that
    /// no relay is given one meanwhile; those that a relay has under way are left out.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) async fn parcels(
        &self,
        after: i64,
        most: usize,
        most_bytes: usize,
    ) -> Result<Vec<Parcel>, Trouble> {
        self.within("reading events", self.read(after, most, most_bytes)).await
    }

    async fn read(&self, after: i64, most: usize, most_bytes: usize) -> Result<Vec<Parcel>, Fault> {
        let client = &self.line.client;
        client.batch_execute("BEGIN").await?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let sql =
            "SELECT id, octet_length(body)::int8 FROM mdss_relay.delivery WHERE id > $1 ORDER BY id LIMIT $2";
        let rows = client.query_typed(sql, &[(&after, Type::INT8), (&most, Type::INT8)]).await?;
        let (mut ids, mut size) = (Vec::new(), 0);
        for row in &rows {
            let bytes: i64 = row.try_get(1)?;
            ids.push(row.try_get::<_, i64>(0)?);
            size += usize::try_from(bytes).unwrap_or(0);
            if size >= most_bytes {
                break;
            }
        }
        let sql = "SELECT id, path, lane, state, attempts, since, not_before, reason, detail, bucket, key, mark, bytes, source, delivery FROM mdss_relay.item
                   WHERE delivery = ANY ($1) AND coalesce(leased <= now(), true) ORDER BY id FOR UPDATE";
        let mut items: HashMap<i64, Vec<Carried>> = HashMap::new();
        for row in &client.query_typed(sql, &[(&ids, Type::INT8_ARRAY)]).await? {
            items.entry(row.try_get(14)?).or_default().push(item(row)?);
        }
        let sql = "SELECT id, name, source, dialect, method, headers, body, received, checksum FROM mdss_relay.delivery WHERE id = ANY ($1) ORDER BY id";
        let rows = client.query_typed(sql, &[(&ids, Type::INT8_ARRAY)]).await?;
        let parcel = |row: &Row| {
            let number = row.try_get(0)?;
            Ok(Parcel {
                number,
                name: row.try_get(1)?,
                source: row.try_get(2)?,
                dialect: row.try_get(3)?,
                method: row.try_get(4)?,
                headers: row.try_get(5)?,
                body: row.try_get(6)?,
                received: moment(row.try_get(7)?),
                checksum: row.try_get(8)?,
                items: items.remove(&number).unwrap_or_default(),
            })
        };
        let mut parcel = parcel;
        Ok(rows.iter().map(&mut parcel).collect::<Result<_, tokio_postgres::Error>>()?)
    }

    /// Deletes items that have arrived elsewhere, and deliveries that have none left; ends the step that [`Door::parcels`] has begun.
    ///
    /// # Errors
    /// Whether they are gone need not be known: the same step may be done again.
    pub(crate) async fn gone(&self, ids: &[i64], deliveries: &[i64]) -> Result<(), Trouble> {
        let client = &self.line.client;
        let deleted = async {
            client
                .execute_typed("DELETE FROM mdss_relay.item WHERE id = ANY ($1)", &[(&ids, Type::INT8_ARRAY)])
                .await?;
            let sql = "DELETE FROM mdss_relay.delivery WHERE id = ANY ($1)
                       AND NOT EXISTS (SELECT FROM mdss_relay.item WHERE item.delivery = delivery.id)";
            client.execute_typed(sql, &[(&deliveries, Type::INT8_ARRAY)]).await?;
            client.batch_execute("COMMIT").await?;
            Ok(())
        };
        self.within("deleting what was moved", deleted).await
    }

    /// How many items are there.
    ///
    /// # Errors
    /// If they cannot be counted.
    pub(crate) async fn left(&self) -> Result<u64, Trouble> {
        let count = async {
            let row = self.line.client.query_typed_one("SELECT count(*) FROM mdss_relay.item", &[]).await?;
            Ok(u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0))
        };
        self.within("counting items", count).await
    }
}

fn item(row: &Row) -> Result<Carried, tokio_postgres::Error> {
    Ok(Carried {
        number: row.try_get(0)?,
        path: row.try_get(1)?,
        lane: row.try_get(2)?,
        state: state(row.try_get(3)?),
        attempts: row.try_get(4)?,
        since: moment(row.try_get(5)?),
        not_before: moment(row.try_get(6)?),
        reason: row.try_get(7)?,
        detail: row.try_get(8)?,
        bucket: row.try_get(9)?,
        key: row.try_get(10)?,
        mark: row.try_get(11)?,
        bytes: row.try_get(12)?,
        source: row.try_get(13)?,
    })
}
