//! One bucket's listing, a page at a time.
//!
//! While the caller works on a page, the next one is fetched, and no more than that one: a store that is asked too fast slows
//! everybody down. A page can be asked for again; what is fetched ahead and not wanted is thrown away.

use std::sync::Arc;

use mdss_relay_core::fields;
use tokio::task::JoinHandle;

use crate::cursor::Cursor;
use crate::page::{Order, Page};
use crate::raw::{Begin, Raw};
use crate::source::Source;
use crate::trouble::{Trouble, TroubleKind};
use crate::watch::Watch;

/// A listing under way.
pub struct Listing {
    source: Arc<Source>,
    store: String,
    bucket: String,
    watch: Option<Watch>,
    /// What the last page has said of the next one: only that goes on by a token, and only that is fetched ahead.
    issued: Option<Cursor>,
    ahead: Option<JoinHandle<Result<Raw, Trouble>>>,
    /// Whether it was begun behind a key. Then keys would be missing if the store lists in no order.
    resumed: bool,
}

impl Listing {
    pub(crate) fn new(source: Source, store: &str, bucket: &str) -> Self {
        Self {
            source: Arc::new(source),
            store: store.to_owned(),
            bucket: bucket.to_owned(),
            watch: None,
            issued: None,
            ahead: None,
            resumed: false,
        }
    }

    /// The page that begins at a place: `None` is the beginning; a cursor is a page's `next`, also one that another process has
    /// kept as a text.
    ///
    /// # Errors
    /// What kept the page from coming, after up to five further attempts where that makes sense; and what makes the listing
    /// useless: it leads in a circle, or it was to go on after a key and there is no order.
    pub async fn page(&mut self, after: Option<&Cursor>) -> Result<Page, Trouble> {
        let raw = match self.ahead.take() {
            Some(ahead) if after == self.issued.as_ref() => ahead.await.unwrap_or_else(|_| {
                Err(self.trouble(TroubleKind::Unreadable, "the page that was fetched ahead was given up"))
            })?,
            ahead => {
                if let Some(ahead) = ahead {
                    ahead.abort();
                }
                let begin = self.begin(after)?;
                self.source.page(&begin).await?
            }
        };
        self.taken(raw, after)
    }

    /// In which order keys have come so far. [`Order::None`] stays.
    pub fn order(&self) -> Order {
        self.watch.as_ref().map_or(Order::Bytes, Watch::order)
    }

    /// Where a page begins, in the store's words.
    fn begin(&mut self, after: Option<&Cursor>) -> Result<Begin, Trouble> {
        let Some(cursor) = after else {
            self.watch = Some(Watch::new(None));
            self.resumed = false;
            return Ok(Begin::First);
        };
        let own = self.issued.as_ref() == Some(cursor);
        if !own {
            self.watch = Some(Watch::new(Some(&cursor.last)));
        }
        let token = cursor.token.clone();
        match (own, token) {
            (true, Some(token)) => Ok(Begin::Token { token, last: cursor.last.clone() }),
            (false, Some(token)) if self.source.goes_on_by_token_alone() => {
                Ok(Begin::Token { token, last: cursor.last.clone() })
            }
            _ if cursor.ordered && !self.source.goes_on_by_token_alone() => {
                self.resumed |= !own;
                Ok(Begin::After(cursor.last.clone()))
            }
            _ => Err(self.unordered()),
        }
    }

    /// A page, watched, and the next one on its way.
    fn taken(&mut self, raw: Raw, after: Option<&Cursor>) -> Result<Page, Trouble> {
        let Raw { objects, passed, token, more } = raw;
        let mut watch = self.watch.take().unwrap_or_else(|| Watch::new(after.map(Cursor::last)));
        let before = watch.order();
        let next = token.as_deref().filter(|_| more);
        let seen = watch.see(&objects, passed.iter().map(|passed| passed.key.as_slice()), next);
        let (order, last) = (watch.order(), watch.last().to_vec());
        self.watch = Some(watch);
        seen.map_err(|what| {
            self.trouble(TroubleKind::Endless, format!("the store {what}: it would never end"))
        })?;
        if order == Order::None && before == Order::Bytes {
            tracing::warn!(
                { fields::BUCKET } = self.bucket.as_str(),
                "the store {:?} lists this bucket in no order: a run that is broken off begins again from the start",
                self.store
            );
        }
        if order == Order::None && self.resumed {
            return Err(self.unordered());
        }
        if !more {
            self.issued = None;
            return Ok(Page { objects, passed, next: None });
        }
        let cursor = Cursor { last, token, ordered: order == Order::Bytes };
        if after == Some(&cursor) {
            return Err(self.trouble(
                TroubleKind::Endless,
                "the store sends the listing to where it is: it would never end",
            ));
        }
        self.issued = Some(cursor.clone());
        let begin = self.begin(Some(&cursor))?;
        let source = self.source.clone();
        self.ahead = Some(tokio::spawn(async move { source.page(&begin).await }));
        Ok(Page { objects, passed, next: Some(cursor) })
    }

    fn unordered(&self) -> Trouble {
        self.trouble(
            TroubleKind::Unordered,
            "the listing cannot go on where it ended, because the store lists in no order; begin again from the start",
        )
    }

    fn trouble(&self, kind: TroubleKind, detail: impl Into<String>) -> Trouble {
        Trouble::new(kind, &self.store, detail).of(&self.bucket)
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        if let Some(ahead) = &self.ahead {
            ahead.abort();
        }
    }
}
