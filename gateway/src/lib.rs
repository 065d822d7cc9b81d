//! The door before the shop: it limits, diverts and forwards. It never touches a store per request.
