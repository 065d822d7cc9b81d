//! What all requests share: the line, the keys, the documents made from the line, and the limits. The refresher keeps the
//! documents; no request waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use domain::keys::EventKeys;
use domain::{Chance, EventId, Keyring, Kid, Millis, Now};
use queue::{Line, LineView, Refused};
use service::health::Check;
use service::{Context, Guesses};
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::events::Listed;
use crate::progress::{Document, Sheet};
use crate::proof::Letterhead;
use crate::refusal::Refusal;
use crate::shell::Shell;
use crate::writes::Writes;

/// The desk at work.
pub struct Desk {
    pub(crate) config: Config,
    pub(crate) line: Line,
    pub(crate) keys: Arc<Keyring>,
    pub(crate) now: Now,
    pub(crate) chance: Chance,
    pub(crate) applying: Semaphore,
    pub(crate) finds: Guesses,
    pub(crate) shell: Shell,
    pub(crate) letterhead: Letterhead,
    writes: Writes,
    board: ArcSwap<Board>,
    health: Check,
}

/// All events, as they were last read. An event of the catalogue that could not be read yet has no sheet.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// In the catalogue's order; none before the catalogue was first read.
    pub(crate) events: Option<Vec<EventId>>,
    sheets: BTreeMap<EventId, Arc<Sheet>>,
    /// The list document.
    pub(crate) list: Option<Document>,
}

impl Board {
    /// The sheets, in the catalogue's order.
    pub(crate) fn sheets(&self) -> impl Iterator<Item = &Arc<Sheet>> {
        self.events.iter().flatten().filter_map(|event| self.sheets.get(event))
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk whose documents are read once now and then kept fresh until the tasks are stopped.
    pub async fn open(config: Config, line: Line, keys: Arc<Keyring>, ctx: &Context) -> Arc<Self> {
        let desk = Arc::new(Self::new(config, line, keys, ctx));
        desk.refresh().await;
        let (fresh, tasks) = (Arc::clone(&desk), ctx.tasks.clone());
        ctx.tasks.spawn("signup documents", async move {
            let pause = Duration::from_millis(fresh.config.refresh_ms.unsigned_abs());
            loop {
                tokio::select! {
                    () = tasks.stopping() => return,
                    () = tokio::time::sleep(pause) => fresh.refresh().await,
                }
            }
        });
        desk
    }

    /// A desk that nobody refreshes: for tests that do it by hand.
    pub fn new(config: Config, line: Line, keys: Arc<Keyring>, ctx: &Context) -> Self {
        Self {
            applying: Semaphore::new(config.max_waiting_applies),
            finds: Guesses::new(&ctx.chance),
            shell: Shell::new(),
            letterhead: Letterhead::new(),
            now: Arc::clone(&ctx.now),
            chance: Arc::clone(&ctx.chance),
            board: ArcSwap::default(),
            health: ctx.health.check("signup-documents"),
            writes: Writes::watched_by(ctx.health.check("signup-writes")),
            config,
            line,
            keys,
        }
    }

    /// Makes the documents anew. What cannot be read stays as it was, its age growing.
    pub async fn refresh(&self) {
        let before = self.board.load_full();
        let mut troubles = Vec::new();
        let events = match self.line.catalogue().await {
            Ok(events) => Some(events),
            Err(refused) => {
                troubles.push(format!("catalogue: {refused}"));
                before.events.clone()
            }
        };
        let mut sheets = BTreeMap::new();
        for event in events.iter().flatten() {
            let old = before.sheets.get(event);
            let sheet = match self.line.view(event).await {
                Ok(view) => {
                    Some(Sheet::fresh(view.clone(), self.event_keys(&view), (self.now)(), &self.config))
                }
                Err(refused) => {
                    troubles.push(format!("{event}: {refused}"));
                    old.map(|old| old.again((self.now)(), &self.config))
                }
            };
            sheets.extend(sheet.map(|sheet| (event.clone(), sheet)));
        }
        self.publish(Board { events, sheets, list: None });
        self.report(&troubles);
    }

    fn publish(&self, mut board: Board) {
        let now = (self.now)();
        if board.events.is_some() {
            let facts: Vec<_> = board.sheets().map(|sheet| sheet.facts_at(now, &self.config)).collect();
            let list = Document::of(&Listed { events: facts }, 0);
            board.list = Some(list);
        }
        self.board.store(Arc::new(board));
    }

    fn report(&self, troubles: &[String]) {
        let board = self.board.load();
        // One event that cannot be read must not take the others down.
        let shows_any = board.events.is_some() && !board.sheets.is_empty();
        match troubles {
            [] => self.health.ok(),
            _ if shows_any => self.health.warn(troubles.join("; ")),
            _ => self.health.fail(troubles.join("; ")),
        }
    }

    fn event_keys(&self, view: &LineView) -> Option<EventKeys> {
        let settings = &view.settings;
        let keys = Kid::new(&settings.pepper).and_then(|kid| self.keys.event(&settings.id, &kid).ok());
        if keys.is_none() {
            tracing::error!(event = %settings.id, kid = settings.pepper, "the event's key is not in the ring");
        }
        keys
    }

    /// Notes whether an application could be stored; a refusal by the rules says nothing about that.
    pub(crate) fn note_write(&self, refused: Option<&Refused>) {
        match refused {
            Some(Refused::Unavailable(why)) => self.writes.failed(why),
            _ => self.writes.done(),
        }
    }

    /// All events as last read.
    pub(crate) fn board(&self) -> Arc<Board> {
        self.board.load_full()
    }

    /// What is known of the event that a path names.
    pub(crate) fn sheet(&self, event: &str) -> Result<Arc<Sheet>, Refusal> {
        let board = self.board.load();
        if let Some(sheet) = board.sheets.get(event) {
            return Ok(Arc::clone(sheet));
        }
        let event: EventId = event.parse().map_err(|_| Refusal::UnknownEvent)?;
        let known = board.events.as_ref().ok_or(Refusal::NotReady)?;
        Err(if known.contains(&event) { Refusal::NotReady } else { Refusal::UnknownEvent })
    }

    /// Our own time.
    pub(crate) fn now(&self) -> Millis {
        (self.now)()
    }

    /// Random text for keys and traces, 32 hexadecimal digits.
    pub(crate) fn random_id(&self) -> String {
        let mut bytes = [0; 16];
        (self.chance)(&mut bytes);
        data_encoding::HEXLOWER.encode(&bytes)
    }
}
