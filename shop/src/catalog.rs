//! The product catalog: names and prices. The stock is in the database.

/// A product.
#[derive(Debug)]
pub(crate) struct Product {
    /// The id in paths and in the database.
    pub(crate) id: i64,
    /// The Korean name.
    pub(crate) ko: &'static str,
    /// The English name.
    pub(crate) en: &'static str,
    /// The price in won.
    pub(crate) price: u32,
}

/// All products.
pub(crate) static PRODUCTS: [Product; 12] = [
    product(1, "도자기 머그", "Stoneware mug", 18_000),
    product(2, "리넨 앞치마", "Linen apron", 34_000),
    product(3, "황동 책갈피", "Brass bookmark", 9_500),
    product(4, "봄맞이 특가 세트", "Spring special set", 42_000),
    product(5, "울 담요", "Wool blanket", 79_000),
    product(6, "원목 도마", "Oak cutting board", 38_000),
    product(7, "드립 포트", "Pour-over kettle", 52_000),
    product(8, "유리 화병", "Glass vase", 27_000),
    product(9, "면 손수건", "Cotton handkerchief", 7_000),
    product(10, "가죽 필통", "Leather pencil case", 31_000),
    product(11, "무쇠 팬", "Cast-iron pan", 64_000),
    product(12, "벽시계", "Wall clock", 45_000),
];

const fn product(id: i64, ko: &'static str, en: &'static str, price: u32) -> Product {
    Product { id, ko, en, price }
}

/// Finds a product by its id.
pub(crate) fn by_id(id: i64) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}
