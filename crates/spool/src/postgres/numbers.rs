//! Numbers of items and deliveries: taken from the database a thousand at a time. Numbers from the time and chance collide under load.

use tokio::sync::Mutex;

use super::failure::Fault;
use mdss_relay_postgres::Line;

/// As `INCREMENT` of the sequence has it.
const BLOCK: i64 = 1000;

/// What is left of the blocks that were taken.
#[derive(Default)]
pub(super) struct Numbers(Mutex<std::ops::Range<i64>>);

impl Numbers {
    /// So many numbers, in their order, that nobody else has.
    ///
    /// # Errors
    /// If the database gives none.
    pub(super) async fn take(&self, line: &Line, count: usize) -> Result<Vec<i64>, Fault> {
        let mut left = self.0.lock().await;
        let mut taken: Vec<i64> = left.by_ref().take(count).collect();
        let missing = count - taken.len();
        if missing > 0 {
            let blocks = i32::try_from(missing as i64 / BLOCK + 1).unwrap_or(i32::MAX);
            let sql = "SELECT nextval('mdss_relay.ids') FROM generate_series(1, $1)";
            let rows = line.client.query_typed(sql, &[(&blocks, tokio_postgres::types::Type::INT4)]).await?;
            for row in rows {
                let begin: i64 = row.try_get(0)?;
                *left = begin..begin.saturating_add(BLOCK);
                taken.extend(left.by_ref().take(count - taken.len()));
            }
        }
        Ok(taken)
    }

    /// Somebody else has used some of them: the next ones are of a new block.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = 0..0;
    }
}
