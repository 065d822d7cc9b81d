//! All events and their documents, as last read from the queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{EventId, Millis};

use crate::config::Config;
use crate::documents::{Document, EventDocuments, PublicEventList};
use crate::error::Error;

/// The documents of each event. An event that has never been read has none.
pub(crate) type DocumentsByEvent = BTreeMap<EventId, Arc<EventDocuments>>;

/// All events, as last read from the queue.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// In the catalogue's order; none before the catalogue was first read.
    events: Option<Vec<EventId>>,
    documents: DocumentsByEvent,
    list: Option<Document>,
}

impl Catalogue {
    /// A catalogue with its list document.
    pub(crate) fn new(
        events: Option<Vec<EventId>>,
        documents: DocumentsByEvent,
        now: Millis,
        config: &Config,
    ) -> Self {
        let mut catalogue = Self { events, documents, list: None };
        if catalogue.events.is_some() {
            let events = catalogue.documents().map(|documents| documents.facts_at(now, config)).collect();
            let list = Document::of(&PublicEventList { events }, 0);
            catalogue.list = Some(list);
        }
        catalogue
    }

    /// The events in the catalogue's order.
    pub(crate) fn events(&self) -> Result<&[EventId], Error> {
        self.events.as_deref().ok_or(Error::NotReady)
    }

    /// The documents in the catalogue's order.
    pub(crate) fn documents(&self) -> impl Iterator<Item = &Arc<EventDocuments>> {
        self.events.iter().flatten().filter_map(|event| self.documents.get(event))
    }

    /// The documents of one event, if it was ever read.
    pub(crate) fn documents_of(&self, event: &EventId) -> Option<&Arc<EventDocuments>> {
        self.documents.get(event)
    }

    /// The documents of the event with this id.
    pub(crate) fn find(&self, event: &str) -> Result<Arc<EventDocuments>, Error> {
        if let Some(documents) = self.documents.get(event) {
            return Ok(Arc::clone(documents));
        }
        let event: EventId = event.parse().map_err(|_| Error::UnknownEvent)?;
        Err(if self.events()?.contains(&event) { Error::NotReady } else { Error::UnknownEvent })
    }

    /// The list document.
    pub(crate) fn list(&self) -> Result<&Document, Error> {
        self.list.as_ref().ok_or(Error::NotReady)
    }

    /// Whether any event can be served.
    pub(crate) fn serves_any_event(&self) -> bool {
        self.events.is_some() && !self.documents.is_empty()
    }
}
