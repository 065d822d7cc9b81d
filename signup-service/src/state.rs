//! What all requests share: the queue, the keys, the documents made from the queue, and the limits. The refresher keeps the
//! documents; no request waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::keys::EventKeys;
use domain::{EventId, Keyring, Kid, Millis, Now, Rng};
use queue::{Queue, QueueError, QueueSnapshot};
use service::health::Check;
use service::{AttemptLimiter, Context};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::documents::{Document, EventDocuments};
use crate::error::Error;
use crate::events::Listed;
use crate::proof::ResponseHeaders;
use crate::shell::Shell;
use crate::write_health::WriteHealth;

/// The signup service at work.
pub struct SignupState {
    pub(crate) config: Config,
    pub(crate) queue: Queue,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) now: Now,
    pub(crate) rng: Rng,
    pub(crate) applying: Semaphore,
    pub(crate) attempts: AttemptLimiter,
    pub(crate) shell: Shell,
    pub(crate) response_headers: ResponseHeaders,
    write_health: WriteHealth,
    catalogue: ArcSwap<Catalogue>,
    health: Check,
}

/// All events, as they were last read. An event of the catalogue that could not be read yet has no sheet.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    /// In the catalogue's order; none before the catalogue was first read.
    pub(crate) events: Option<Vec<EventId>>,
    documents_by_event: BTreeMap<EventId, Arc<EventDocuments>>,
    /// The list document.
    pub(crate) list: Option<Document>,
}

impl Catalogue {
    /// The sheets, in the catalogue's order.
    pub(crate) fn documents_by_event(&self) -> impl Iterator<Item = &Arc<EventDocuments>> {
        self.events.iter().flatten().filter_map(|event| self.documents_by_event.get(event))
    }
}

impl std::fmt::Debug for SignupState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignupState").field("config", &self.config).finish_non_exhaustive()
    }
}

impl SignupState {
    /// A signup service whose documents are read now, and again in intervals until the tasks are stopped.
    pub async fn open(config: Config, queue: Queue, keys: Arc<Keyring>, ctx: &Context) -> Arc<Self> {
        let signup = Arc::new(Self::new(config, queue, keys, ctx));
        signup.refresh().await;
        let refreshed = Arc::clone(&signup);
        let period = Duration::from_millis(signup.config.refresh_ms.unsigned_abs());
        ctx.tasks.every("signup documents", period, move || {
            let signup = Arc::clone(&refreshed);
            async move { signup.refresh().await }
        });
        signup
    }

    /// A signup service without periodic refresh, for tests that refresh it themselves.
    pub fn new(config: Config, queue: Queue, keys: Arc<Keyring>, ctx: &Context) -> Self {
        Self {
            applying: Semaphore::new(config.max_waiting_applies),
            attempts: AttemptLimiter::new(&ctx.rng),
            shell: Shell::new(),
            response_headers: ResponseHeaders::new(),
            now: Arc::clone(&ctx.now),
            rng: Arc::clone(&ctx.rng),
            catalogue: ArcSwap::default(),
            health: ctx.health.check("signup-documents"),
            write_health: WriteHealth::watched_by(ctx.health.check("signup-writes")),
            config,
            queue,
            keys,
        }
    }

    /// Makes the documents anew. What cannot be read stays as it was, its age growing.
    pub async fn refresh(&self) {
        let before = self.catalogue.load_full();
        let mut troubles = Vec::new();
        let events = match self.queue.catalogue().await {
            Ok(events) => Some(events),
            Err(refused) => {
                troubles.push(format!("catalogue: {refused}"));
                before.events.clone()
            }
        };
        let mut documents_by_event = BTreeMap::new();
        for event in events.iter().flatten() {
            let old = before.documents_by_event.get(event);
            let documents = match self.queue.snapshot(event).await {
                Ok(view) => Some(EventDocuments::fresh(
                    view.clone(),
                    self.event_keys(&view),
                    (self.now)(),
                    &self.config,
                )),
                Err(refused) => {
                    troubles.push(format!("{event}: {refused}"));
                    old.map(|old| old.again((self.now)(), &self.config))
                }
            };
            documents_by_event.extend(documents.map(|documents| (event.clone(), documents)));
        }
        self.publish(Catalogue { events, documents_by_event, list: None });
        self.report(&troubles);
    }

    fn publish(&self, mut catalogue: Catalogue) {
        let now = (self.now)();
        if catalogue.events.is_some() {
            let facts: Vec<_> = catalogue
                .documents_by_event()
                .map(|documents| documents.facts_at(now, &self.config))
                .collect();
            let list = Document::of(&Listed { events: facts }, 0);
            catalogue.list = Some(list);
        }
        self.catalogue.store(Arc::new(catalogue));
    }

    fn report(&self, troubles: &[String]) {
        let catalogue = self.catalogue.load();
        // One event that cannot be read must not take the others down.
        let shows_any = catalogue.events.is_some() && !catalogue.documents_by_event.is_empty();
        match troubles {
            [] => self.health.ok(),
            _ if shows_any => self.health.warn(troubles.join("; ")),
            _ => self.health.fail(troubles.join("; ")),
        }
    }

    fn event_keys(&self, view: &QueueSnapshot) -> Option<EventKeys> {
        let settings = &view.settings;
        let keys = Kid::new(&settings.pepper).and_then(|kid| self.keys.event(&settings.id, &kid).ok());
        if keys.is_none() {
            tracing::error!(event = %settings.id, kid = settings.pepper, "the event's key is not in the ring");
        }
        keys
    }

    /// Notes whether an application could be stored; a refusal by the rules says nothing about that.
    pub(crate) fn note_write(&self, refused: Option<&QueueError>) {
        match refused {
            Some(QueueError::Unavailable(why) | QueueError::Unknown(why)) => self.write_health.failed(why),
            _ => self.write_health.done(),
        }
    }

    /// All events as last read.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// What is known of the event that a path names.
    pub(crate) fn documents(&self, event: &str) -> Result<Arc<EventDocuments>, Error> {
        let catalogue = self.catalogue.load();
        if let Some(documents) = catalogue.documents_by_event.get(event) {
            return Ok(Arc::clone(documents));
        }
        let event: EventId = event.parse().map_err(|_| Error::UnknownEvent)?;
        let known = catalogue.events.as_ref().ok_or(Error::NotReady)?;
        Err(if known.contains(&event) { Error::NotReady } else { Error::UnknownEvent })
    }

    /// Our own time.
    pub(crate) fn now(&self) -> Millis {
        (self.now)()
    }

    /// Random text for keys and traces, 32 hexadecimal digits.
    pub(crate) fn random_id(&self) -> String {
        let mut bytes = [0; 16];
        (self.rng)(&mut bytes);
        data_encoding::HEXLOWER.encode(&bytes)
    }
}
