//! What a receipt's page says. The script goes on from here by the same rules: `face` and the sums of `assets/wait.js`.

use domain::{Outcome, Stock};
use serde_json::{Value, json};

use crate::messages::{self, Message, Messages, fill};
use crate::pages::{REFRESH_S, for_script, frame, render};
use crate::state::SignupState;
use crate::status::{Own, OwnState};
use crate::timestamp;
use crate::views::{Frame, ReceiptView, ViewOnlyView};
use service::Language;

/// What the page shows an application as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Waiting,
    Waitlisted,
    Paused,
    /// Waitlisted: waits for a returned seat.
    Claimed,
    Ordering,
    Cancelling,
    Ended(Outcome),
}

impl Face {
    fn of(own: &Own, state: OwnState, cancel_asked: bool) -> Self {
        let late = own.documents.waitlisted(own.receipt.number).is_some();
        match state {
            OwnState::Withdrawn => Self::Ended(Outcome::Cancelled),
            OwnState::Ordering | OwnState::Ended(Outcome::Ordered) if cancel_asked => Self::Cancelling,
            OwnState::Ordering => Self::Ordering,
            OwnState::Ended(outcome) => Self::Ended(outcome),
            OwnState::Waiting if late && own.documents.stock() == Stock::SoldOut => Self::Claimed,
            OwnState::Waiting if own.documents.paused() => Self::Paused,
            OwnState::Waiting if late => Self::Waitlisted,
            OwnState::Waiting => Self::Waiting,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Waitlisted => "waitlisted",
            Self::Paused => "paused",
            Self::Claimed => "claimed",
            Self::Ordering => "ordering",
            Self::Cancelling => "cancelling",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }

    fn words(self, messages: &'static Messages) -> Message {
        match self {
            Self::Waiting => messages.waiting,
            Self::Waitlisted => messages.waitlisted,
            Self::Paused => messages.paused,
            Self::Claimed => messages.claimed,
            Self::Ordering => messages.ordering,
            Self::Cancelling => messages.cancelling,
            Self::Ended(Outcome::Ordered) => messages.ordered,
            Self::Ended(Outcome::Rejected) => messages.rejected,
            Self::Ended(Outcome::Cancelled) => messages.cancelled,
            Self::Ended(Outcome::Expired) => messages.expired,
            Self::Ended(Outcome::SoldOut) => messages.sold_out,
        }
    }

    fn moves_on(self) -> bool {
        !matches!(self, Self::Ended(_))
    }

    /// All that the script may have to show.
    const ALL: [Self; 11] = [
        Self::Waiting,
        Self::Waitlisted,
        Self::Paused,
        Self::Claimed,
        Self::Ordering,
        Self::Cancelling,
        Self::Ended(Outcome::Ordered),
        Self::Ended(Outcome::Rejected),
        Self::Ended(Outcome::Cancelled),
        Self::Ended(Outcome::Expired),
        Self::Ended(Outcome::SoldOut),
    ];
}

/// A receipt's page in the making.
pub(crate) struct ReceiptPage<'a> {
    signup: &'a SignupState,
    own: &'a Own,
    language: Language,
    messages: &'static Messages,
    state: OwnState,
    face: Face,
    cancel_asked: bool,
}

impl<'a> ReceiptPage<'a> {
    /// The page of an application; after a cancel request it shows the request until the outcome is known.
    pub(crate) fn of(
        signup: &'a SignupState,
        own: &'a Own,
        state: OwnState,
        language: Language,
        cancel_asked: bool,
    ) -> Self {
        let face = Face::of(own, state, cancel_asked);
        Self { signup, own, language, messages: messages::of(language), state, face, cancel_asked }
    }

    /// The page as text.
    pub(crate) fn html(&self) -> String {
        let (own, messages, documents) = (self.own, self.messages, &self.own.documents);
        let (place, waitlisted) =
            (documents.place(own.receipt.number), documents.waitlisted(own.receipt.number));
        let standing = match waitlisted {
            Some(n) => fill(messages.waitlist_number, &[("n", &timestamp::grouped(n))]),
            None => format!("✓ {}", messages.in_range),
        };
        render(&ReceiptView {
            frame: self.frame(),
            event: own.receipt.event.as_str(),
            receipt: &own.text,
            here: self.here(""),
            number: timestamp::grouped(own.receipt.number.get()),
            standing,
            late: waitlisted.is_some(),
            bar: bar(place.rank - 1, place.ahead),
            ahead: fill(messages.people, &[("n", &timestamp::grouped(place.ahead))]),
            eta: self.eta(place.ahead),
            checked: timestamp::clock(documents.queue_time(self.signup.now())),
            order_no: own.order_no.as_deref().unwrap_or(""),
            announcement: documents.view.settings.announcement.in_language(self.language.tag()),
            cancel_label: match self.face {
                Face::Waitlisted | Face::Claimed => messages.leave_waitlist,
                _ => messages.cancel,
            },
            code: own.recovery_code(),
        })
    }

    /// A range from the pace as set; the script narrows it by the pace as seen.
    fn eta(&self, ahead: u32) -> String {
        if self.own.documents.paused() {
            return self.messages.eta_paused.to_owned();
        }
        let pace = self.own.documents.pace();
        let minutes = |per_second: f64| f64::from(ahead) / per_second / 60.0;
        let low = minutes(pace).floor();
        let high = minutes(pace * 0.7).ceil().max(low + 1.0);
        if high < 2.0 {
            return self.messages.eta_soon.to_owned();
        }
        fill(self.messages.eta_range, &[("a", &format!("{:.0}", low.max(1.0))), ("b", &format!("{high:.0}"))])
    }

    /// The page's own address with something more in the query.
    fn here(&self, more: &str) -> String {
        let asked = if self.cancel_asked { "asked=cancel" } else { "" };
        let query: Vec<_> = [asked, more].into_iter().filter(|item| !item.is_empty()).collect();
        format!("/a/{}{}{}", self.own.text, if query.is_empty() { "" } else { "?" }, query.join("&"))
    }

    fn frame(&self) -> Frame<'a> {
        let settings = &self.own.documents.view.settings;
        let title = settings.title.in_language(self.language.tag());
        let words = self.face.words(self.messages);
        Frame {
            head: words.head.to_owned(),
            lede: words.text.to_owned(),
            language_href: self.here(&format!("lang={}", self.messages.other_lang)),
            refresh_s: self.face.moves_on().then_some(REFRESH_S),
            support: Some(support_code(self.own)),
            data: self.data(),
            script: &self.signup.shell.wait.source,
            ..frame(self.signup, self.language, title, self.face.as_str())
        }
    }

    fn data(&self) -> String {
        let (own, documents) = (self.own, &self.own.documents);
        let mut progress: Value = serde_json::from_slice(&documents.progress.body).unwrap_or(Value::Null);
        // The page shows one language; the other half would only weigh.
        let (tag, announcement) =
            (self.language.tag(), documents.view.settings.announcement.in_language(self.language.tag()));
        progress["announcement"] = json!({ tag: announcement });
        for_script(&json!({
            "event": own.receipt.event,
            "number": own.receipt.number,
            "lang": self.language.tag(),
            "title": documents.view.settings.title.in_language(self.language.tag()),
            "now": documents.queue_time(self.signup.now()),
            "asked": self.cancel_asked,
            "own": { "state": self.state.as_str(), "order_no": own.order_no },
            "progress": progress,
            "progress_url": format!("/event/com/v1/get/progress/{}", own.receipt.event),
            "status_url": format!("/application/com/v1/get/application/{}", own.text),
            "text": self.texts(),
        }))
    }

    fn texts(&self) -> Value {
        let messages = self.messages;
        let mut texts = json!({
            "range": messages.in_range,
            "late": messages.waitlist_number,
            "people": messages.people,
            "announce": messages.announce,
            "eta": messages.eta_range,
            "eta_soon": messages.eta_soon,
            "eta_unknown": messages.eta_unknown,
            "eta_paused": messages.eta_paused,
            "offline": messages.offline,
            "stale": messages.stale,
            "copied": messages.copied,
            "cancel": messages.cancel,
            "leave": messages.leave_waitlist,
        });
        for face in Face::ALL {
            let words = face.words(messages);
            texts[face.as_str()] = json!([words.head, words.text]);
        }
        texts
    }
}

/// The page of a view receipt: that the phone has applied, and how to get the full receipt. Nothing on it changes.
pub(crate) fn view_only(signup: &SignupState, own: &Own, language: Language) -> String {
    let messages = messages::of(language);
    let title = own.documents.view.settings.title.in_language(language.tag());
    render(&ViewOnlyView {
        frame: Frame {
            head: messages.view_only.head.to_owned(),
            lede: messages.view_only.text.to_owned(),
            language_href: format!("/a/{}?lang={}", own.text, messages.other_lang),
            support: Some(support_code(own)),
            ..frame(signup, language, title, "view")
        },
        event: own.receipt.event.as_str(),
        number: timestamp::grouped(own.receipt.number.get()),
        find_phone: "",
        find_wrong: String::new(),
    })
}

/// What to name to the support: the beginning of the GUID.
fn support_code(own: &Own) -> String {
    let guid = own.receipt.app_key.guid();
    format!("{}-{}", &guid[..8], &guid[8..12])
}

/// How much of the queue that stood before this number has gone, in percent.
fn bar(before: u32, ahead: u32) -> String {
    let percent = match before {
        0 => 100.0,
        before => 100.0 * f64::from(before - ahead.min(before)) / f64::from(before),
    };
    format!("{percent:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_the_share_of_those_before_who_are_through() {
        assert_eq!((bar(0, 0), bar(4, 4), bar(4, 1)), ("100.0".into(), "0.0".into(), "75.0".into()));
        assert_eq!(bar(41_206, 32_410), "21.3");
    }
}
