//! The state that all requests share: the queue, the keys, the documents and the limits. A periodic task refreshes the documents;
//! no request waits for it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Bytes;
use domain::keys::EventKeys;
use domain::{EventId, Keyring, Kid, Millis, Now, PassSigner, PassVerifier, Rng};
use queue::{Queue, QueueError, QueueSnapshot};
use service::health::Check;
use service::{AttemptLimiter, Context, Language};
use tokio::sync::Semaphore;

use crate::catalogue::{Catalogue, DocumentsByEvent};
use crate::config::Config;
use crate::documents::EventDocuments;
use crate::error::Error;
use crate::messages::{self, PageText};
use crate::pages::shell::Shell;
use crate::response::ReceiptHeaders;
use crate::write_health::WriteHealth;

/// The shared state of the signup service.
pub struct SignupState {
    pub(crate) config: Config,
    pub(crate) queue: Queue,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) rng: Rng,
    /// One permit for each application that may wait for the queue.
    pub(crate) apply_permits: Semaphore,
    pub(crate) attempts: AttemptLimiter,
    pub(crate) shell: Shell,
    pub(crate) receipt_headers: ReceiptHeaders,
    /// The public keys of passes, as a JWKS.
    pub(crate) pass_keys: Bytes,
    pub(crate) pass_signer: PassSigner,
    now: Now,
    write_health: WriteHealth,
    catalogue: ArcSwap<Catalogue>,
    documents_health: Check,
}

impl std::fmt::Debug for SignupState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignupState").field("config", &self.config).finish_non_exhaustive()
    }
}

impl SignupState {
    /// A signup service whose documents are read now and refreshed periodically until the tasks are stopped.
    pub async fn open(config: Config, queue: Queue, keys: Arc<Keyring>, ctx: &Context) -> Arc<Self> {
        let signup = Arc::new(Self::new(config, queue, keys, ctx));
        signup.refresh().await;
        if let Some(member) = &signup.config.member {
            member.watch(ctx);
        }
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
            apply_permits: Semaphore::new(config.apply_calls_max),
            attempts: AttemptLimiter::new(&ctx.rng),
            shell: Shell::new(),
            receipt_headers: ReceiptHeaders::new(),
            pass_keys: PassVerifier::of(&keys).to_jwks().into(),
            pass_signer: PassSigner::new(&keys),
            now: Arc::clone(&ctx.now),
            rng: Arc::clone(&ctx.rng),
            catalogue: ArcSwap::default(),
            documents_health: ctx.health.check("signup-documents"),
            write_health: WriteHealth::new(ctx.health.check("signup-writes")),
            config,
            queue,
            keys,
        }
    }

    /// Renders the documents from the queue. An event that cannot be read keeps its last snapshot.
    pub async fn refresh(&self) {
        let previous = self.catalogue();
        let mut failures = Vec::new();
        let events = match self.queue.catalogue().await {
            Ok(events) => Some(events),
            Err(error) => {
                failures.push(format!("catalogue: {error}"));
                previous.events().ok().map(<[EventId]>::to_vec)
            }
        };
        let mut documents = DocumentsByEvent::new();
        for event in events.iter().flatten() {
            let read = self.read_documents(event, &previous, &mut failures).await;
            documents.extend(read.map(|read| (event.clone(), read)));
        }
        self.catalogue.store(Arc::new(Catalogue::new(events, documents, self.now(), &self.config)));
        self.report(&failures);
    }

    async fn read_documents(
        &self,
        event: &EventId,
        previous: &Catalogue,
        failures: &mut Vec<String>,
    ) -> Option<Arc<EventDocuments>> {
        match self.queue.snapshot(event).await {
            Ok(snapshot) => {
                let keys = self.event_keys(&snapshot);
                let previous = previous.documents_of(event).map(Arc::as_ref);
                Some(EventDocuments::from_snapshot(snapshot, previous, keys, self.now(), &self.config))
            }
            Err(error) => {
                failures.push(format!("{event}: {error}"));
                previous.documents_of(event).map(|documents| documents.rendered_at(self.now(), &self.config))
            }
        }
    }

    fn report(&self, failures: &[String]) {
        match failures {
            [] => self.documents_health.ok(),
            // One event that cannot be read must not take the others out of service.
            _ if self.catalogue.load().serves_any_event() => self.documents_health.warn(failures.join("; ")),
            _ => self.documents_health.fail(failures.join("; ")),
        }
    }

    fn event_keys(&self, snapshot: &QueueSnapshot) -> Option<EventKeys> {
        let settings = &snapshot.settings;
        let keys = Kid::new(&settings.pepper).and_then(|kid| self.keys.event(&settings.id, &kid).ok());
        if keys.is_none() {
            tracing::error!(
                event = %settings.id,
                kid = settings.pepper,
                "failed to derive the event's keys: the keyring does not have this key; applications get 503"
            );
        }
        keys
    }

    /// Records whether an application could be stored. A refusal by the event's rules counts as stored.
    pub(crate) fn record_write(&self, error: Option<&QueueError>) {
        match error {
            Some(QueueError::Unavailable(reason) | QueueError::Unknown(reason)) => {
                self.write_health.record_failure(reason);
            }
            _ => self.write_health.record_success(),
        }
    }

    /// All events as last read.
    pub(crate) fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// The documents of the event with this id.
    pub(crate) fn documents(&self, event: &str) -> Result<Arc<EventDocuments>, Error> {
        self.catalogue.load().find(event)
    }

    /// The texts in a language, in the tone as set.
    pub(crate) fn text(&self, language: Language) -> &'static PageText {
        messages::of(language, self.config.tone)
    }

    /// The time of this process's clock.
    pub(crate) fn now(&self) -> Millis {
        (self.now)()
    }

    /// A random id for keys and traces, 32 hexadecimal digits.
    pub(crate) fn random_id(&self) -> String {
        let mut bytes = [0; 16];
        (self.rng)(&mut bytes);
        data_encoding::HEXLOWER.encode(&bytes)
    }
}
