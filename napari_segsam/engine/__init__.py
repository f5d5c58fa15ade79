"""Behaviour on core and model: embed, predict, session, controller. No Qt."""
