//! The suite over both servers that a line may live on. What is particular to them is in `tests/redis`.

use crate::house::Store;

mod redis_7 {
    use testkit::RedisKind;

    use super::Store;

    crate::suite::cases!(Store::redis(RedisKind::Redis).await);
}

mod valkey_9 {
    use testkit::RedisKind;

    use super::Store;

    crate::suite::cases!(Store::redis(RedisKind::Valkey).await);
}
