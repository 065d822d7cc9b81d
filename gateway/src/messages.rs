//! The texts of the gateway's own pages, in Korean and English.

use service::Language;

/// A headline and a sentence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RefusalText {
    pub(crate) head: &'static str,
    pub(crate) text: &'static str,
}

/// All texts of one language.
pub(crate) struct RefusalMessages {
    /// The client exceeds its rate.
    pub(crate) too_fast: RefusalText,
    /// There are too many requests.
    pub(crate) full: RefusalText,
    /// The upstream does not respond.
    pub(crate) down: RefusalText,
    /// No route matches.
    pub(crate) not_found: RefusalText,
    /// The request is malformed or not supported.
    pub(crate) unreadable: RefusalText,
    /// An event diverts the path.
    pub(crate) diverted: RefusalText,
    /// The path needs a pass.
    pub(crate) pass_required: RefusalText,
    /// The pass has expired.
    pub(crate) pass_expired: RefusalText,
    /// The pass is not genuine.
    pub(crate) pass_invalid: RefusalText,
    /// The pass is that of another event.
    pub(crate) pass_wrong_event: RefusalText,
    /// Says that the page retries by itself, with the seconds in `{s}`.
    pub(crate) again: &'static str,
    /// The link that retries now.
    pub(crate) now: &'static str,
    /// How to submit the form again, with the seconds in `{s}`.
    pub(crate) send_again: &'static str,
    /// The link to the event's page.
    pub(crate) to_event: &'static str,
}

const fn message(head: &'static str, text: &'static str) -> RefusalText {
    RefusalText { head, text }
}

const KOREAN: RefusalMessages = RefusalMessages {
    too_fast: message("잠깐만 기다려 주세요", "너무 자주 요청했어요. 이미 접수한 신청은 그대로예요."),
    full: message(
        "지금 접속이 몰리고 있어요",
        "잠시 뒤 다시 연결해 드릴게요. 이미 접수한 신청은 그대로예요.",
    ),
    down: message("잠시 연결되지 않아요", "금방 다시 열릴 거예요. 이미 접수한 신청은 그대로예요."),
    not_found: message("페이지를 찾을 수 없어요", "주소를 다시 확인해 주세요."),
    unreadable: message("요청을 읽을 수 없어요", "주소를 다시 확인해 주세요."),
    diverted: message("선착순 신청으로 판매하고 있어요", "이벤트 페이지에서 신청해 주세요."),
    pass_required: message(
        "차례가 되면 들어갈 수 있어요",
        "이벤트 페이지에서 신청하고, 차례가 되면 그곳에서 입장해 주세요.",
    ),
    pass_expired: message("입장할 수 있는 시간이 지났어요", "이벤트 페이지에서 신청 상태를 확인해 주세요."),
    pass_invalid: message("입장권을 확인할 수 없어요", "이벤트 페이지에서 다시 입장해 주세요."),
    pass_wrong_event: message("다른 이벤트의 입장권이에요", "이 이벤트의 페이지에서 입장해 주세요."),
    again: "{s}초 뒤 자동으로 다시 시도해요.",
    now: "지금 다시 시도",
    send_again: "입력한 내용은 아직 전송되지 않았어요. {s}초 뒤에 뒤로 가서 다시 보내 주세요.",
    to_event: "이벤트 페이지로 가기",
};

const ENGLISH: RefusalMessages = RefusalMessages {
    too_fast: message("One moment, please", "You asked too often. What you applied for is safe."),
    full: message(
        "Many people are here right now",
        "We will connect you in a moment. What you applied for is safe.",
    ),
    down: message("We cannot connect right now", "It will be back shortly. What you applied for is safe."),
    not_found: message("There is nothing here", "Please check the address."),
    unreadable: message("We cannot read this request", "Please check the address."),
    diverted: message("This is sold first come, first served", "Please apply on the event's page."),
    pass_required: message(
        "This page opens when it is your turn",
        "Apply on the event's page, and enter from there when you are called.",
    ),
    pass_expired: message("Your time to enter has ended", "See your application on the event's page."),
    pass_invalid: message("This pass cannot be verified", "Please enter again from the event's page."),
    pass_wrong_event: message("This pass is for another event", "Please enter from this event's page."),
    again: "Trying again in {s} s.",
    now: "Try again now",
    send_again: "What you entered was not sent. Go back in {s} s and send the form again.",
    to_event: "Go to the event's page",
};

/// The texts of a language.
pub(crate) fn of(language: Language) -> &'static RefusalMessages {
    match language {
        Language::Korean => &KOREAN,
        Language::English => &ENGLISH,
    }
}
