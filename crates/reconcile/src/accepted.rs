//! What the ledger knows of a page of objects: by a merge, while the store lists in the order of keys, else by looking up each key.

use std::collections::VecDeque;

use mdss_relay_ledger::{BucketName, Ledger, ObjectWrites, Told};
use mdss_relay_stores::Listed;

use crate::trouble::Trouble;

/// Objects that are read from the ledger at a time.
const STEP: usize = 1000;

/// The accepted writes of one bucket, read along with its listing. Its memory is that of two pages.
pub(crate) struct Accepted {
    ledger: Option<Ledger>,
    bucket: BucketName,
    prefix: Vec<u8>,
    /// `None`: keys are looked up.
    merge: Option<Merge>,
    /// Accepted objects that were not listed; `None`: nobody can say.
    gone: Option<u64>,
}

/// Where the ledger is.
struct Merge {
    ahead: VecDeque<ObjectWrites>,
    after: Option<Vec<u8>>,
    ended: bool,
}

impl Accepted {
    /// The writes behind a key, or from the first one on. `gone` is what a run before this one has counted.
    pub(crate) async fn open(
        ledger: Option<Ledger>,
        bucket: BucketName,
        prefix: &[u8],
        after: Option<&[u8]>,
        gone: Option<u64>,
    ) -> Result<Self, Trouble> {
        let ordered = match &ledger {
            Some(ledger) => ledger.is_ordered(&bucket).await?,
            None => false,
        };
        let mut accepted =
            Self { ledger, bucket, prefix: prefix.to_vec(), merge: None, gone: gone.filter(|_| ordered) };
        if let Some(ledger) = accepted.ledger.as_ref().filter(|_| ordered) {
            // Behind the prefix alone an object would be missed that is called like it.
            let first = [accepted.prefix.clone()];
            let own = after.is_none() && !accepted.prefix.is_empty();
            let ahead = if own { ledger.writes_of(&accepted.bucket, &first).await? } else { Vec::new() };
            let after = after.map(<[u8]>::to_vec).or_else(|| own.then(|| accepted.prefix.clone()));
            accepted.merge = Some(Merge { ahead: ahead.into(), after, ended: false });
        }
        Ok(accepted)
    }

    /// The store has listed out of order: from now on each key is looked up.
    pub(crate) fn look_up(&mut self) {
        if self.merge.take().is_some() {
            self.gone = None;
        }
    }

    /// The accepted writes of each of these objects.
    pub(crate) async fn of(&mut self, objects: &[Listed]) -> Result<Vec<Vec<Told>>, Trouble> {
        let Some(ledger) = self.ledger.clone() else { return Ok(vec![Vec::new(); objects.len()]) };
        if self.merge.is_none() {
            let keys: Vec<_> = objects.iter().map(|object| object.key.clone()).collect();
            let found = ledger.writes_of(&self.bucket, &keys).await?;
            return Ok(found.into_iter().map(|object| object.writes).collect());
        }
        let mut all = Vec::with_capacity(objects.len());
        for object in objects {
            all.push(self.merged(&ledger, &object.key).await?);
        }
        Ok(all)
    }

    async fn merged(&mut self, ledger: &Ledger, key: &[u8]) -> Result<Vec<Told>, Trouble> {
        loop {
            self.fill(ledger).await?;
            let Some(merge) = &mut self.merge else { return Ok(Vec::new()) };
            match merge.ahead.front() {
                Some(front) if front.key.as_slice() < key => self.pass(),
                Some(front) if front.key == key => {
                    let found = merge.ahead.pop_front();
                    return Ok(found.map(|found| found.writes).unwrap_or_default());
                }
                Some(_) | None => return Ok(Vec::new()),
            }
        }
    }

    /// The ledger has an object that the store has not.
    fn pass(&mut self) {
        let passed = self.merge.as_mut().and_then(|merge| merge.ahead.pop_front());
        let accepted = passed.is_some_and(|object| !object.writes.is_empty());
        if let Some(gone) = &mut self.gone {
            *gone += u64::from(accepted);
        }
    }

    async fn fill(&mut self, ledger: &Ledger) -> Result<(), Trouble> {
        let Some(merge) = &mut self.merge else { return Ok(()) };
        if merge.ended || !merge.ahead.is_empty() {
            return Ok(());
        }
        let mut found = ledger.writes_from(&self.bucket, merge.after.as_deref(), STEP).await?;
        merge.ended = found.len() < STEP;
        merge.after = found.last().map(|last| last.key.clone()).or_else(|| merge.after.take());
        let within = found.iter().take_while(|object| object.key.starts_with(&self.prefix)).count();
        if within < found.len() {
            found.truncate(within);
            merge.ended = true;
        }
        merge.ahead = found.into();
        Ok(())
    }

    /// Accepted objects that were passed so far; `None`: nobody can say.
    pub(crate) fn gone(&self) -> Option<u64> {
        self.gone
    }

    /// The store has listed everything: the rest is gone.
    pub(crate) async fn end(&mut self) -> Result<Option<u64>, Trouble> {
        let Some(ledger) = self.ledger.clone() else { return Ok(None) };
        loop {
            self.fill(&ledger).await?;
            if self.merge.as_ref().is_none_or(|merge| merge.ahead.is_empty()) {
                return Ok(self.gone);
            }
            self.pass();
        }
    }
}
