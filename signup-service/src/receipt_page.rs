//! What a receipt's page says. The script goes on from here by the same rules: `face` and the sums of `assets/wait.js`.

use domain::{Outcome, Stock};
use serde_json::{Value, json};

use crate::copy::{self, Copy, Words, fill};
use crate::desk::Desk;
use crate::pages::{REFRESH_S, for_script, frame, render};
use crate::status::{Own, OwnState};
use crate::views::{Frame, ReceiptView};
use crate::when;
use service::Language;

/// What the page shows an application as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Waiting,
    Waitlisted,
    Paused,
    /// Waiting for a seat that somebody gives back.
    Claimed,
    Ordering,
    Cancelling,
    Ended(Outcome),
}

impl Face {
    fn of(own: &Own, cancel_asked: bool) -> Self {
        let late = own.sheet.waitlisted(own.receipt.number).is_some();
        match own.state {
            OwnState::Withdrawn => Self::Ended(Outcome::Cancelled),
            OwnState::Ordering | OwnState::Ended(Outcome::Ordered) if cancel_asked => Self::Cancelling,
            OwnState::Ordering => Self::Ordering,
            OwnState::Ended(outcome) => Self::Ended(outcome),
            OwnState::Waiting if late && own.sheet.stock() == Stock::SoldOut => Self::Claimed,
            OwnState::Waiting if own.sheet.paused() => Self::Paused,
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

    fn words(self, copy: &'static Copy) -> Words {
        match self {
            Self::Waiting => copy.waiting,
            Self::Waitlisted => copy.waitlisted,
            Self::Paused => copy.paused,
            Self::Claimed => copy.claimed,
            Self::Ordering => copy.ordering,
            Self::Cancelling => copy.cancelling,
            Self::Ended(Outcome::Ordered) => copy.ordered,
            Self::Ended(Outcome::Rejected) => copy.rejected,
            Self::Ended(Outcome::Cancelled) => copy.cancelled,
            Self::Ended(Outcome::Expired) => copy.expired,
            Self::Ended(Outcome::SoldOut) => copy.sold_out,
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
    desk: &'a Desk,
    own: &'a Own,
    language: Language,
    copy: &'static Copy,
    face: Face,
    cancel_asked: bool,
}

impl<'a> ReceiptPage<'a> {
    /// The page of one's own application; whoever just asked to cancel sees that, until the outcome is there.
    pub(crate) fn of(desk: &'a Desk, own: &'a Own, language: Language, cancel_asked: bool) -> Self {
        let face = Face::of(own, cancel_asked);
        Self { desk, own, language, copy: copy::of(language), face, cancel_asked }
    }

    /// The page as text.
    pub(crate) fn html(&self) -> String {
        let (own, copy, sheet) = (self.own, self.copy, &self.own.sheet);
        let (place, waitlisted) = (sheet.place(own.receipt.number), sheet.waitlisted(own.receipt.number));
        let standing = match waitlisted {
            Some(n) => fill(copy.waitlist_number, &[("n", &when::grouped(n))]),
            None => format!("✓ {}", copy.in_range),
        };
        render(&ReceiptView {
            frame: self.frame(),
            event: own.receipt.event.as_str(),
            receipt: &own.text,
            here: self.here(""),
            number: when::grouped(own.receipt.number.get()),
            standing,
            late: waitlisted.is_some(),
            bar: bar(place.rank - 1, place.ahead),
            ahead: fill(copy.people, &[("n", &when::grouped(place.ahead))]),
            eta: self.eta(place.ahead),
            checked: when::clock(sheet.line_time(self.desk.now())),
            order_no: own.order_no.as_deref().unwrap_or(""),
            notice: sheet.view.settings.notice.in_language(self.language.tag()),
            cancel_label: match self.face {
                Face::Waitlisted | Face::Claimed => copy.leave_waitlist,
                _ => copy.cancel,
            },
            code: own.recovery_code(),
        })
    }

    /// A range from the pace as set; the script narrows it by the pace as seen.
    fn eta(&self, ahead: u32) -> String {
        if self.own.sheet.paused() {
            return self.copy.eta_paused.to_owned();
        }
        let pace = self.own.sheet.pace();
        let minutes = |per_second: f64| f64::from(ahead) / per_second / 60.0;
        let low = minutes(pace).floor();
        let high = minutes(pace * 0.7).ceil().max(low + 1.0);
        if high < 2.0 {
            return self.copy.eta_soon.to_owned();
        }
        fill(self.copy.eta_range, &[("a", &format!("{:.0}", low.max(1.0))), ("b", &format!("{high:.0}"))])
    }

    /// The page's own address with something more in the query.
    fn here(&self, more: &str) -> String {
        let asked = if self.cancel_asked { "asked=cancel" } else { "" };
        let query: Vec<_> = [asked, more].into_iter().filter(|item| !item.is_empty()).collect();
        format!("/a/{}{}{}", self.own.text, if query.is_empty() { "" } else { "?" }, query.join("&"))
    }

    fn frame(&self) -> Frame<'a> {
        let settings = &self.own.sheet.view.settings;
        let title = settings.title.in_language(self.language.tag());
        let words = self.face.words(self.copy);
        let guid = self.own.receipt.app_key.guid();
        Frame {
            head: words.head.to_owned(),
            lede: words.text.to_owned(),
            language_href: self.here(&format!("lang={}", self.copy.other_lang)),
            refresh_s: self.face.moves_on().then_some(REFRESH_S),
            support: Some(format!("{}-{}", &guid[..8], &guid[8..12])),
            data: self.data(),
            script: &self.desk.shell.wait.source,
            ..frame(self.desk, self.language, title, self.face.as_str())
        }
    }

    fn data(&self) -> String {
        let (own, sheet) = (self.own, &self.own.sheet);
        let mut progress: Value = serde_json::from_slice(&sheet.progress.body).unwrap_or(Value::Null);
        // The page shows one language; the other half would only weigh.
        let (tag, notice) =
            (self.language.tag(), sheet.view.settings.notice.in_language(self.language.tag()));
        progress["notice"] = json!({ tag: notice });
        for_script(&json!({
            "event": own.receipt.event,
            "number": own.receipt.number,
            "lang": self.language.tag(),
            "title": sheet.view.settings.title.in_language(self.language.tag()),
            "now": sheet.line_time(self.desk.now()),
            "asked": self.cancel_asked,
            "own": { "state": own.state.as_str(), "order_no": own.order_no },
            "progress": progress,
            "progress_url": format!("/event/com/v1/get/progress/{}", own.receipt.event),
            "status_url": format!("/application/com/v1/get/application/{}", own.text),
            "text": self.texts(),
        }))
    }

    fn texts(&self) -> Value {
        let copy = self.copy;
        let mut texts = json!({
            "range": copy.in_range,
            "late": copy.waitlist_number,
            "people": copy.people,
            "announce": copy.announce,
            "eta": copy.eta_range,
            "eta_soon": copy.eta_soon,
            "eta_unknown": copy.eta_unknown,
            "eta_paused": copy.eta_paused,
            "offline": copy.offline,
            "stale": copy.stale,
            "copied": copy.copied,
            "cancel": copy.cancel,
            "leave": copy.leave_waitlist,
        });
        for face in Face::ALL {
            let words = face.words(copy);
            texts[face.as_str()] = json!([words.head, words.text]);
        }
        texts
    }
}

/// How much of the line that stood before this number has gone, in percent.
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
