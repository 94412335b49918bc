"""The destination: Microsoft Dataverse, through its Web API."""
