//! The texts of the shop in Korean and English.

use service::Language;

/// All texts of one language.
#[derive(Debug)]
pub(crate) struct ShopMessages {
    pub(crate) lang: &'static str,
    pub(crate) other: &'static str,
    pub(crate) other_name: &'static str,
    pub(crate) shop: &'static str,
    pub(crate) banner: &'static str,
    pub(crate) popular: &'static str,
    pub(crate) recommended: &'static str,
    pub(crate) left: &'static str,
    pub(crate) sold_out: &'static str,
    pub(crate) buy: &'static str,
    pub(crate) checkout: &'static str,
    pub(crate) pieces: &'static str,
    pub(crate) order: &'static str,
    pub(crate) ordered: &'static str,
    pub(crate) order_no: &'static str,
    pub(crate) event: &'static str,
    pub(crate) home: &'static str,
    pub(crate) demo: &'static str,
    pub(crate) not_found: (&'static str, &'static str),
    pub(crate) too_few: (&'static str, &'static str),
    pub(crate) invalid: (&'static str, &'static str),
    pub(crate) busy: (&'static str, &'static str),
}

/// The texts of a language.
pub(crate) fn of(language: Language) -> &'static ShopMessages {
    match language {
        Language::Korean => &KOREAN,
        Language::English => &ENGLISH,
    }
}

static KOREAN: ShopMessages = ShopMessages {
    lang: "ko",
    other: "en",
    other_name: "English",
    shop: "작은 가게",
    banner: "오늘 주문하면 내일 보내 드려요.",
    popular: "많이 찾는 상품",
    recommended: "함께 보는 상품",
    left: "남은 수량",
    sold_out: "품절",
    buy: "주문하기",
    checkout: "주문서",
    pieces: "수량",
    order: "주문하기",
    ordered: "주문했어요",
    order_no: "주문번호",
    event: "이벤트",
    home: "처음으로",
    demo: "시연과 부하 시험에 쓰는 가게예요. 실제로 팔지 않아요.",
    not_found: ("찾을 수 없어요", "주소를 다시 확인해 주세요."),
    too_few: ("수량이 부족해요", "그 사이 다 팔렸거나, 고른 수량만큼 남아 있지 않아요."),
    invalid: ("주문서 내용이 올바르지 않아요", "주문서를 다시 열어 작성해 주세요."),
    busy: ("지금 접속이 많아요", "잠시 뒤에 다시 시도해 주세요."),
};

static ENGLISH: ShopMessages = ShopMessages {
    lang: "en",
    other: "ko",
    other_name: "한국어",
    shop: "Small shop",
    banner: "Order today, ships tomorrow.",
    popular: "Popular",
    recommended: "You may also like",
    left: "Left",
    sold_out: "Sold out",
    buy: "Buy",
    checkout: "Your order",
    pieces: "Pieces",
    order: "Order",
    ordered: "Ordered",
    order_no: "Order number",
    event: "Event",
    home: "Back to the shop",
    demo: "A shop for demos and load tests. Nothing is actually sold.",
    not_found: ("Page not found", "Please check the address."),
    too_few: ("Not enough left", "It sold out meanwhile, or fewer are left than you chose."),
    invalid: ("The order form is invalid", "Please open the form again and resubmit it."),
    busy: ("The shop is busy", "Please try again in a moment."),
};
