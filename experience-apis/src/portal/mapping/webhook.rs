//! Webhooks: the subscriptions of the layer below, in a buyer's words.

use canonical_model::{
    AccountId,
    subscription::{ChangeSubscription, NewSubscription, Subscription, SubscriptionPage},
};

use crate::portal::shape::webhook::{Webhook, WebhookChange, WebhookPage, WebhookRequest};

/// A webhook asked for, as a subscription for an account.
pub fn new_subscription(request: WebhookRequest, account: AccountId) -> NewSubscription {
    NewSubscription {
        account,
        url: request.url,
        types: request.types,
        description: request.description,
    }
}

/// A webhook's change.
pub fn change_subscription(request: WebhookChange) -> ChangeSubscription {
    ChangeSubscription {
        url: request.url,
        types: request.types,
        description: request.description,
        active: request.active,
    }
}

/// A webhook.
pub fn webhook(subscription: Subscription) -> Webhook {
    Webhook {
        webhook_id: subscription.subscription_id,
        account: subscription.account,
        url: subscription.url,
        types: subscription.types,
        description: subscription.description,
        state: subscription.state,
        disabled_reason: subscription.disabled_reason,
        version: subscription.version,
        created_at: subscription.created_at,
        changed_at: subscription.changed_at,
        secret: subscription.secret,
        previous_secret_until: subscription.previous_secret_until,
        delivery: subscription.delivery,
    }
}

/// A page of webhooks.
pub fn webhook_page(page: SubscriptionPage) -> WebhookPage {
    WebhookPage {
        items: page.items.into_iter().map(webhook).collect(),
        next: page.next,
    }
}
