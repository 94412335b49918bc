"""What people decide about records that can't arrive as they are: the rules, the choices, and the decisions of the plan."""
