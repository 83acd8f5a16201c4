"""Three tiers that each hold a prefix of one network: DIMEE's pools and routers, fixed tiers, and cascades."""
